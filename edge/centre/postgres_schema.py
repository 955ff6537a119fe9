"""The tables of the PostgreSQL ledger, the view `reading`, and the monthly partitions of the polls.

One row per poll, in the partition of its slot's month. What repeats stands once, beside: who was read for which task
(`series`), and how it was read and which quantities it brought (`manner`); `amounts` are the values in the order of
the manner's quantities, exact text. A poll counts for its slot if `counts`; the others are history. Envelopes stay as
they came. There are no foreign keys from polls: the program writes both sides in one transaction, and a check of
each row would cost more than the row.

A month has a partition once it is needed. Slots before the first or after the last month lie in one partition each,
so that a gateway with a mad clock makes no more tables than that.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import LiteralString

VERSION = 2
FIRST, LAST = date(2020, 1, 1), date(2060, 1, 1)

SCHEMA = """
CREATE TABLE layout (version integer NOT NULL);

CREATE TABLE gateway (
  name text COLLATE "C" NOT NULL, what text COLLATE "C" NOT NULL, count bigint NOT NULL, last_at timestamptz NOT NULL,
  PRIMARY KEY (name, what)
);

CREATE TABLE epoch (
  id bigint GENERATED ALWAYS AS IDENTITY, gateway text COLLATE "C" NOT NULL, epoch bytea NOT NULL, predecessor bytea,
  stored bigint NOT NULL, head bytea NOT NULL, oldest bigint NOT NULL, durable bigint NOT NULL DEFAULT 0,
  heard_at timestamptz NOT NULL,
  PRIMARY KEY (gateway, epoch)
);

CREATE TABLE batch (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  gateway text COLLATE "C" NOT NULL, epoch bytea NOT NULL, seq bigint NOT NULL,
  sha256 bytea NOT NULL, prev bytea NOT NULL, replaces bytea, state text NOT NULL, reason text NOT NULL,
  received_at timestamptz NOT NULL, envelope bytea NOT NULL,
  UNIQUE (gateway, epoch, seq)
);
ALTER TABLE batch ALTER COLUMN envelope SET STORAGE EXTERNAL;
CREATE INDEX batch_rejected ON batch (gateway, epoch, seq) WHERE state = 'rejected';

CREATE TABLE series (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  gateway text COLLATE "C" NOT NULL, task text COLLATE "C" NOT NULL, meter text COLLATE "C" NOT NULL,
  UNIQUE (gateway, task, meter)
);

CREATE TABLE manner (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest bytea NOT NULL UNIQUE,
  source text NOT NULL, trust text NOT NULL, state text NOT NULL, reason text, flags text NOT NULL,
  quantities text[] COLLATE "C" NOT NULL, units text[] NOT NULL
);

CREATE TABLE poll (
  slot_at timestamptz NOT NULL, read_at timestamptz NOT NULL, batch bigint NOT NULL,
  series integer NOT NULL, manner integer NOT NULL, counts boolean NOT NULL, conflict boolean NOT NULL,
  amounts text[] NOT NULL, faults text
) PARTITION BY RANGE (slot_at);
CREATE UNIQUE INDEX poll_slot ON poll (series, slot_at) WHERE counts;
CREATE TABLE poll_before PARTITION OF poll FOR VALUES FROM (MINVALUE) TO ('2020-01-01Z');
CREATE TABLE poll_after PARTITION OF poll FOR VALUES FROM ('2060-01-01Z') TO (MAXVALUE);

CREATE TABLE plan (batch bigint PRIMARY KEY, gateway text COLLATE "C" NOT NULL, document text NOT NULL);
CREATE INDEX plan_gateway ON plan (gateway);

CREATE TABLE closed (gateway text COLLATE "C" PRIMARY KEY, at timestamptz NOT NULL);

CREATE TABLE loss (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, batch bigint NOT NULL REFERENCES batch (id),
  gateway text COLLATE "C" NOT NULL, task text NOT NULL, meter text NOT NULL,
  first_at timestamptz NOT NULL, last_at timestamptz NOT NULL, count bigint NOT NULL, reason text NOT NULL
);
CREATE INDEX loss_gateway ON loss (gateway, first_at);
CREATE INDEX loss_batch ON loss (batch);

CREATE TABLE quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, gateway text COLLATE "C" NOT NULL,
  epoch bytea, seq bigint, reason text NOT NULL, raw bytea NOT NULL, at timestamptz NOT NULL
);
ALTER TABLE quarantine ALTER COLUMN raw SET STORAGE EXTERNAL;
CREATE INDEX quarantine_kind ON quarantine (kind, gateway);

CREATE TABLE meter (address text COLLATE "C" PRIMARY KEY);

CREATE VIEW reading AS
SELECT series.gateway, series.meter, series.task, poll.slot_at, poll.read_at, item.quantity, item.value,
  CASE WHEN item.value ~ '^-?[0-9]+([.][0-9]+)?$' THEN item.value::numeric END AS number,
  item.unit, manner.source, manner.trust, NULL::text AS reason,
  EXISTS (SELECT FROM meter WHERE address = series.meter) OR NOT EXISTS (SELECT FROM meter) AS assigned,
  poll.conflict
FROM poll JOIN series ON series.id = poll.series JOIN manner ON manner.id = poll.manner,
  unnest(manner.quantities, poll.amounts, manner.units) AS item (quantity, value, unit)
WHERE poll.counts
UNION ALL
SELECT series.gateway, series.meter, series.task, poll.slot_at, poll.read_at, fault.key, NULL, NULL,
  '', manner.source, manner.trust, fault.value,
  EXISTS (SELECT FROM meter WHERE address = series.meter) OR NOT EXISTS (SELECT FROM meter),
  poll.conflict
FROM poll JOIN series ON series.id = poll.series JOIN manner ON manner.id = poll.manner,
  json_each_text(poll.faults::json) AS fault
WHERE poll.counts AND poll.faults IS NOT NULL;

INSERT INTO layout VALUES (2);
"""

# From each layout to the next one; what is there stays. A restored copy may find tables that are younger than it.
STEPS: tuple[LiteralString, ...] = (
    """
    ALTER TABLE plan RENAME TO plan_by_begin;
    CREATE TABLE plan (batch bigint NOT NULL, gateway text COLLATE "C" NOT NULL, document text NOT NULL);
    INSERT INTO plan SELECT DISTINCT ON (batch) batch, gateway, document FROM plan_by_begin
      ORDER BY batch, valid_from DESC;
    DROP TABLE plan_by_begin;
    ALTER TABLE plan ADD PRIMARY KEY (batch);
    CREATE INDEX plan_gateway ON plan (gateway);
    CREATE TABLE IF NOT EXISTS closed (gateway text COLLATE "C" PRIMARY KEY, at timestamptz NOT NULL);
    """,
)

# Where new polls wait within their transaction; it is this connection's own.
STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
  n integer NOT NULL, slot_at timestamptz NOT NULL, read_at timestamptz NOT NULL, batch bigint NOT NULL,
  series integer NOT NULL, manner integer NOT NULL, amounts text[] NOT NULL, faults text
) ON COMMIT DELETE ROWS
"""


def month_of(slot_at: datetime) -> date | None:
    """Return the first day of a slot's month in UTC; None where no month has a partition of its own."""
    day = slot_at.astimezone(UTC).date().replace(day=1)
    return day if FIRST <= day < LAST else None


def partition_statements(month: date) -> Iterator[str]:
    """Yield what makes a month's partition, if it is not there.

    It is attached rather than made in place: that waits for no reader, not for a copy that takes an hour either.
    """
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    name = partition_name(month)
    yield f"CREATE TABLE {name} (LIKE poll INCLUDING DEFAULTS)"
    yield f"ALTER TABLE poll ATTACH PARTITION {name} FOR VALUES FROM ('{month}Z') TO ('{after}Z')"


def partition_name(month: date) -> str:
    """Return the name of a month's partition."""
    return f"poll_{month:%Y_%m}"
