-- Which row of events is which line of the archive: a hash of shard, sequence
-- number and index. Null for rows that are older than this column.
ALTER TABLE events ADD COLUMN line bigint;
COMMENT ON COLUMN events.line IS 'A hash of the place in the stream: which line of the archive this row was made of.';

-- Rows come in nearly in the order of their arrival, which is all that a BRIN
-- index needs to find an hour of arrivals among years of events.
CREATE INDEX events_arrived ON events USING brin (arrived_at) WITH (autosummarize = on);

CREATE TABLE metric (
    key        text PRIMARY KEY,
    name       text NOT NULL,
    definition text,
    fields     smallint NOT NULL DEFAULT 0,
    since      timestamptz NOT NULL,
    active     boolean NOT NULL DEFAULT true
);

COMMENT ON TABLE metric IS 'The series of rollups. One without a definition is made by code; before since it is not whole.';

INSERT INTO metric (key, name, fields, since) VALUES ('events', 'events', 1, '-infinity');

ALTER TABLE load_batch ADD COLUMN arrived timestamptz;
COMMENT ON COLUMN load_batch.arrived IS 'When the newest record of the chunk arrived.';

CREATE TABLE reconciled_object (
    key     text PRIMARY KEY,
    hour    timestamptz NOT NULL,
    lines   bigint NOT NULL,
    missing bigint NOT NULL,
    matched bigint NOT NULL
);

COMMENT ON TABLE reconciled_object IS 'Archive objects of an hour that is being compared with events. Forgotten once the hour is clean.';

CREATE INDEX reconciled_object_hour ON reconciled_object (hour);

CREATE TABLE reconciled_hour (
    hour       timestamptz PRIMARY KEY,
    since      timestamptz NOT NULL DEFAULT now(),
    checked_at timestamptz NOT NULL DEFAULT now(),
    lines      bigint NOT NULL,
    missing    bigint NOT NULL,
    unarchived bigint NOT NULL
);

COMMENT ON TABLE reconciled_hour IS 'Hours of arrival, compared: lines of the archive that are missing in events, and rows of events that are not in the archive. Looked at again until both are 0.';

GRANT SELECT, INSERT ON metric TO streamctl_loader;
GRANT SELECT ON metric, reconciled_hour, reconciled_object TO streamctl_reader;
