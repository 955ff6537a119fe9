"""The tables, and the way from an older file to this one.

`user_version` is the number of the schema, `application_id` says whose file it is. MIGRATIONS[n] leads from
version n to n + 1; the first one makes the tables. A released one is never edited: a change is a new entry.

Text comes out of a damaged file as bytes that are no text, so everything that is read back row by row is CAST to
the type that is wanted; the CRC then tells. The bytes of an envelope stand apart from its state: changing the state
of a batch must not write 64 KiB again.
"""

APPLICATION_ID = 0x45444745

_VERSION_1 = (
    # One row per poll of a meter, in arrival order. A (meter, time) key would cost 20 times the writes.
    """CREATE TABLE journal (
        id INTEGER PRIMARY KEY, task TEXT NOT NULL, meter TEXT NOT NULL, slot_us INTEGER NOT NULL,
        readings INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT""",
    # Slots that are missing and may still be filled.
    """CREATE TABLE slot (
        task TEXT NOT NULL, meter TEXT NOT NULL, slot_us INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (task, meter, slot_us)) STRICT, WITHOUT ROWID""",
    # The newest slot recorded of each task and meter: everything up to it is settled, except what stands in `slot`.
    """CREATE TABLE mark (
        task TEXT NOT NULL, meter TEXT NOT NULL, slot_us INTEGER NOT NULL, crc INTEGER NOT NULL,
        PRIMARY KEY (task, meter)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE loss (
        id INTEGER PRIMARY KEY, task TEXT NOT NULL, meter TEXT NOT NULL, first_us INTEGER NOT NULL,
        last_us INTEGER NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL) STRICT""",
    # Rows that did not come back as they were written; kept for whoever looks into it.
    """CREATE TABLE damaged (
        id INTEGER PRIMARY KEY, origin TEXT NOT NULL, why TEXT NOT NULL, bytes BLOB NOT NULL) STRICT""",
    # Plans from the last one sent on; the newest is the one in force.
    """CREATE TABLE plan (
        id INTEGER PRIMARY KEY, valid_from_us INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL) STRICT""",
    # The newest epoch is the one that is sealed into. `durable_sha256` is the chain where the archive was forgotten.
    """CREATE TABLE epoch (
        n INTEGER PRIMARY KEY, epoch BLOB NOT NULL UNIQUE, predecessor BLOB, why TEXT NOT NULL,
        opened_us INTEGER NOT NULL, next_seq INTEGER NOT NULL, prev BLOB NOT NULL, durable INTEGER NOT NULL,
        durable_sha256 BLOB NOT NULL, crc INTEGER NOT NULL) STRICT""",
    # One row per sealed batch, `n` in the order of sealing. state: 0 unsent, 1 stored, 2 rejected.
    """CREATE TABLE outbox (
        n INTEGER PRIMARY KEY, epoch BLOB NOT NULL, seq INTEGER NOT NULL, lane INTEGER NOT NULL,
        state INTEGER NOT NULL, prev BLOB NOT NULL, sha256 BLOB NOT NULL, sealed_us INTEGER NOT NULL,
        readings INTEGER NOT NULL, reason TEXT NOT NULL, UNIQUE (epoch, seq)) STRICT""",
    "CREATE INDEX outbox_unsent ON outbox (n) WHERE state = 0",
    "CREATE TABLE envelope (n INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, crc INTEGER NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
)

_VERSION_2 = (
    # How far a batch was shed, and the SHA-256 of the bytes that took its place; empty: they are those of `sha256`.
    "ALTER TABLE outbox ADD COLUMN shed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE outbox ADD COLUMN replacement BLOB NOT NULL DEFAULT x''",
    "CREATE INDEX outbox_to_shed ON outbox (state, shed, n)",
    "CREATE INDEX outbox_replaced ON outbox (n) WHERE state = 0 AND replacement <> x''",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2)
SCHEMA = len(MIGRATIONS)
