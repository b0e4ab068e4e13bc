-- Everything here belongs to the role streamctl_tables, of which the master
-- and streamctl_owner are members.

CREATE TABLE events (
    id          bigint GENERATED ALWAYS AS IDENTITY (CACHE 100),
    event_id    uuid NOT NULL,
    user_id     varchar(255) NOT NULL,
    event_type  varchar(100) NOT NULL,
    timestamp   timestamptz NOT NULL,
    properties  jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    arrived_at  timestamptz NOT NULL,
    source      text,
    PRIMARY KEY (event_id, timestamp)
) PARTITION BY RANGE (timestamp);

COMMENT ON TABLE events IS 'One row an event, exactly once; a partition a day, UTC.';
COMMENT ON COLUMN events.received_at IS 'When the API received the event.';
COMMENT ON COLUMN events.arrived_at IS 'When the stream took the record that carried it.';
COMMENT ON COLUMN events.source IS 'The bucket of another archive from which the event was replayed; null for this stack''s own.';

CREATE INDEX events_user ON events (user_id, timestamp);
CREATE INDEX events_time ON events (timestamp);

CREATE TABLE metric_minute (
    metric    text NOT NULL,
    bucket    timestamptz NOT NULL,
    dimension text NOT NULL,
    slot      smallint NOT NULL CHECK (slot BETWEEN 0 AND 7),
    rev       bigint NOT NULL,
    n         bigint NOT NULL,
    sum       numeric NOT NULL DEFAULT 0,
    min       numeric,
    max       numeric,
    PRIMARY KEY (metric, bucket, dimension, slot)
) WITH (fillfactor = 70);

COMMENT ON TABLE metric_minute IS 'Rollups by minute. Add up the slots; rev rises by one with every change of a row.';

CREATE TABLE dimension (
    metric text NOT NULL,
    value  text NOT NULL,
    PRIMARY KEY (metric, value)
);

COMMENT ON TABLE dimension IS 'The values that a metric tells apart: the first hundred it met, for ever. All others count as __other__.';

CREATE TABLE quarantine (
    shard          text NOT NULL,
    seq            text NOT NULL,
    i              integer NOT NULL,
    reason         text NOT NULL,
    object         text NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (shard, seq, i)
);

COMMENT ON TABLE quarantine IS 'Lines of the stream that can never be loaded, and the archive object that keeps them.';

CREATE TABLE load_batch (
    loaded_at   timestamptz NOT NULL DEFAULT now(),
    xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
    shard       text NOT NULL,
    first_seq   text NOT NULL,
    last_seq    text NOT NULL,
    inserted    integer NOT NULL,
    duplicates  integer NOT NULL,
    quarantined integer NOT NULL,
    expired     integer NOT NULL,
    minutes     timestamptz[] NOT NULL
);

COMMENT ON TABLE load_batch IS 'A row for each committed chunk, kept for 14 days. The cache is refreshed by its xid.';

CREATE INDEX load_batch_xid ON load_batch (xid);
CREATE INDEX load_batch_loaded_at ON load_batch (loaded_at);

CREATE TABLE partition_wanted (
    day       date PRIMARY KEY,
    wanted_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE partition_wanted IS 'Days that an event needed and that had no partition yet.';

CREATE TABLE events_floor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    floor    timestamptz NOT NULL
);

COMMENT ON TABLE events_floor IS 'What happened before the floor was dropped by retention and is never loaded again.';

INSERT INTO events_floor (floor) VALUES ('-infinity');
