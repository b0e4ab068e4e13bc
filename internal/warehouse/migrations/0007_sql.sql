-- The locks that order loads are table locks: anyone who can run a SELECT can take
-- an advisory lock, and only a table's owner and the roles with privileges on it can
-- lock a table. Loads share load_gate (ROW EXCLUSIVE); a recount takes it EXCLUSIVE.
-- A load that gives places to dimension values takes dimension_gate EXCLUSIVE. Both
-- tables stay empty.
CREATE TABLE public.load_gate (only_row boolean PRIMARY KEY);
CREATE TABLE public.dimension_gate (only_row boolean PRIMARY KEY);

COMMENT ON TABLE public.load_gate IS 'A lock, always empty: loads share it, recounts take it exclusively.';
COMMENT ON TABLE public.dimension_gate IS 'A lock, always empty: held while dimension values get places.';

GRANT INSERT, UPDATE, DELETE ON public.load_gate, public.dimension_gate TO streamctl_loader;

-- SQL users read every table but the gates, also those of later migrations.
GRANT USAGE ON SCHEMA public TO streamctl_sql;
-- Tables of an operator are none of ours, and ALL TABLES would fail beside them.
DO $$
DECLARE
    ours regclass;
BEGIN
    FOR ours IN SELECT oid FROM pg_catalog.pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relowner = 'streamctl_tables'::regrole LOOP
        EXECUTE format('GRANT SELECT ON %s TO streamctl_sql', ours);
    END LOOP;
END
$$;
REVOKE ALL ON public.load_gate, public.dimension_gate FROM streamctl_sql;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO streamctl_sql;
