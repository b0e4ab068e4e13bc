-- A table without a primary key can't be deleted from while a publication FOR
-- ALL TABLES exists.
ALTER TABLE public.load_batch ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;

-- day_ready reports whether a partition of events takes the whole of a day, UTC:
-- the day's own, or one that an operator made for a longer span.
CREATE OR REPLACE FUNCTION public.day_ready(day date) RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public AS $$
DECLARE
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends   timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF EXISTS (SELECT FROM pg_inherits
               WHERE inhparent = 'public.events'::regclass AND inhrelid = to_regclass('public.events_' || to_char(day, 'YYYYMMDD')) AND NOT inhdetachpending) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (
        SELECT FROM pg_inherits i
        JOIN pg_class c ON c.oid = i.inhrelid,
        regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((MINVALUE|''[^'']*'')\) TO \((MAXVALUE|''[^'']*'')\)') AS bound
        WHERE i.inhparent = 'public.events'::regclass AND NOT i.inhdetachpending AND c.relname !~ '^events_[0-9]{8}$'
          AND CASE WHEN bound[1] = 'MINVALUE' THEN true ELSE trim(bound[1], '''')::timestamptz <= begins END
          AND CASE WHEN bound[2] = 'MAXVALUE' THEN true ELSE trim(bound[2], '''')::timestamptz >= ends END);
END
$$;

-- make_day gives events the partition of a day, UTC, and returns whether it had
-- to. The table is made first and attached afterwards: CREATE TABLE … PARTITION
-- OF would lock out every load behind one long query. Set lock_timeout before.
-- An operator's columns, constraints, indexes and triggers come along.
CREATE OR REPLACE FUNCTION public.make_day(day date) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
DECLARE
    name   text := 'events_' || to_char(day, 'YYYYMMDD');
    begins timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends   timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
    needs  text;
BEGIN
    IF day_ready(day) THEN
        RETURN false;
    END IF;
    IF to_regclass('public.' || name) IS NOT NULL THEN
        RAISE EXCEPTION 'relation public.% exists and is not a partition of events', name
            USING ERRCODE = '55000', HINT = format('Rename it: ALTER TABLE public.%I RENAME TO %I', name, name || '_copy');
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING GENERATED)', name);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT day CHECK (timestamp >= %L AND timestamp < %L)', name, begins, ends);
    EXECUTE format('ALTER TABLE public.events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', name, begins, ends);
    EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT day', name);
    RETURN true;
EXCEPTION WHEN insufficient_privilege THEN
    SELECT string_agg(DISTINCT format('GRANT EXECUTE ON FUNCTION %s TO %I', t.tgfoid::regprocedure, current_user), '; ') INTO needs
    FROM pg_trigger t
    WHERE t.tgrelid = 'public.events'::regclass AND NOT t.tgisinternal AND NOT has_function_privilege(current_user, t.tgfoid, 'EXECUTE');
    RAISE EXCEPTION '%', SQLERRM USING ERRCODE = '42501',
        HINT = coalesce(needs, format('The role %s owns events and must be allowed to use each function, type, schema and tablespace of its columns, indexes and triggers', current_user));
END
$$;

-- stored_events reads events by their identities, also those that a policy of
-- row-level security hides from the loader.
CREATE FUNCTION public.stored_events(ids uuid[], times timestamptz[])
RETURNS TABLE (event_id uuid, user_id varchar, event_type varchar, "timestamp" timestamptz, properties jsonb, line bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT e.event_id, e.user_id, e.event_type, e.timestamp, e.properties, e.line
    FROM unnest(ids, times) k(id, at) JOIN public.events e ON e.event_id = k.id AND e.timestamp = k.at
$$;
REVOKE EXECUTE ON FUNCTION public.stored_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.stored_events TO streamctl_loader;
