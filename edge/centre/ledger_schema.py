"""The tables of the SQLite ledger, and the view `reading` for whoever wants the readings with a tool of their own.

Instants are text in UTC, of one width, so that they sort: slots to the second, all else to the millisecond. Values are
exact text. A poll counts for its slot if `counts` is 1; the others are history.
"""

VERSION = 3

# From each layout to the next one; from the second on. A file keeps what it holds.
STEPS = (
    "ALTER TABLE epoch ADD COLUMN durable INTEGER NOT NULL DEFAULT 0",
    """
    ALTER TABLE plan RENAME TO plan_by_begin;
    CREATE TABLE plan (
      batch INTEGER PRIMARY KEY REFERENCES batch (id), gateway TEXT NOT NULL, document TEXT NOT NULL
    );
    INSERT OR REPLACE INTO plan SELECT batch, gateway, document FROM plan_by_begin ORDER BY valid_from;
    DROP TABLE plan_by_begin;
    CREATE INDEX plan_gateway ON plan (gateway);
    CREATE TABLE closed (gateway TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;
    """,
)

SCHEMA = """
CREATE TABLE gateway (
  name TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL, last_at TEXT NOT NULL,
  PRIMARY KEY (name, what)
) WITHOUT ROWID;

CREATE TABLE epoch (
  id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, epoch BLOB NOT NULL, predecessor BLOB,
  stored INTEGER NOT NULL, head BLOB NOT NULL, oldest INTEGER NOT NULL, heard_at TEXT NOT NULL,
  durable INTEGER NOT NULL DEFAULT 0,
  UNIQUE (gateway, epoch)
);

CREATE TABLE batch (
  id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL,
  sha256 BLOB NOT NULL, prev BLOB NOT NULL, replaces BLOB, state TEXT NOT NULL, reason TEXT NOT NULL,
  received_at TEXT NOT NULL, envelope BLOB NOT NULL,
  UNIQUE (gateway, epoch, seq)
);
CREATE INDEX batch_rejected ON batch (gateway, epoch, seq) WHERE state = 'rejected';

CREATE TABLE itemset (id INTEGER PRIMARY KEY, items TEXT NOT NULL UNIQUE);

CREATE TABLE poll (
  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch (id),
  gateway TEXT NOT NULL, meter TEXT NOT NULL, task TEXT NOT NULL, slot_at TEXT NOT NULL, read_at TEXT NOT NULL,
  source TEXT NOT NULL, trust TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, flags TEXT NOT NULL,
  itemset INTEGER NOT NULL REFERENCES itemset (id), amounts TEXT NOT NULL, faults TEXT NOT NULL,
  counts INTEGER NOT NULL, conflict INTEGER NOT NULL
);
CREATE UNIQUE INDEX poll_slot ON poll (gateway, slot_at, task, meter) WHERE counts = 1;

CREATE TABLE plan (
  batch INTEGER PRIMARY KEY REFERENCES batch (id), gateway TEXT NOT NULL, document TEXT NOT NULL
);
CREATE INDEX plan_gateway ON plan (gateway);

CREATE TABLE closed (gateway TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE loss (
  id INTEGER PRIMARY KEY, batch INTEGER NOT NULL REFERENCES batch (id), gateway TEXT NOT NULL,
  task TEXT NOT NULL, meter TEXT NOT NULL, first_at TEXT NOT NULL, last_at TEXT NOT NULL,
  count INTEGER NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX loss_gateway ON loss (gateway, first_at);

CREATE TABLE quarantine (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, gateway TEXT NOT NULL, epoch BLOB, seq INTEGER,
  reason TEXT NOT NULL, raw BLOB NOT NULL, at TEXT NOT NULL
);
CREATE INDEX quarantine_kind ON quarantine (kind, gateway);

CREATE TABLE meter (address TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE VIEW reading AS
SELECT poll.gateway, poll.meter, poll.task, poll.slot_at, poll.read_at,
  json_extract(item.value, '$[0]') AS quantity,
  json_extract(poll.amounts, '$[' || item.key || ']') AS value,
  json_extract(item.value, '$[1]') AS unit,
  poll.source, poll.trust, NULL AS reason,
  poll.meter IN (SELECT address FROM meter) OR NOT EXISTS (SELECT 1 FROM meter) AS assigned,
  poll.conflict
FROM poll JOIN itemset ON itemset.id = poll.itemset, json_each(itemset.items) AS item
WHERE poll.counts = 1
UNION ALL
SELECT poll.gateway, poll.meter, poll.task, poll.slot_at, poll.read_at,
  fault.key, NULL, '', poll.source, poll.trust, fault.value,
  poll.meter IN (SELECT address FROM meter) OR NOT EXISTS (SELECT 1 FROM meter),
  poll.conflict
FROM poll, json_each(poll.faults) AS fault
WHERE poll.counts = 1;
"""
