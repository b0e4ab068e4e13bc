-- make_day gives events the partition of a day, UTC, and says whether it had
-- to. The table is made apart and then attached: CREATE TABLE … PARTITION OF
-- would lock out every load behind one long query. Set lock_timeout before.
CREATE FUNCTION make_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name     text := 'events_' || to_char(day, 'YYYYMMDD');
    begins   timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends     timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'events'::regclass AND inhrelid = to_regclass(name)) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE IF NOT EXISTS %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', name);
    EXECUTE format('ALTER TABLE %I ADD CONSTRAINT day CHECK (timestamp >= %L AND timestamp < %L)', name, begins, ends);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name, begins, ends);
    EXECUTE format('ALTER TABLE %I DROP CONSTRAINT day', name);
    RETURN true;
END
$$;

-- day_ready says whether events has the day's partition.
CREATE FUNCTION day_ready(day date) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_inherits
                   WHERE inhparent = 'events'::regclass AND inhrelid = to_regclass('events_' || to_char(day, 'YYYYMMDD')))
$$;
