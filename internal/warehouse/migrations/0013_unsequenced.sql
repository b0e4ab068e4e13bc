-- Batches of a loader before migration 0011 show which packed hours lack events. The
-- maintenance of that version deletes them after 14 days and packs nothing, so the hours
-- are recorded before their batch is deleted.
CREATE FUNCTION public.record_unsequenced() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO public.sequence_stale (hour)
    SELECT DISTINCT date_trunc('hour', m, 'UTC') FROM deleted b, unnest(b.minutes) m
    WHERE NOT b.sequenced AND EXISTS (
        SELECT FROM public.sequence_span s
        WHERE s.span_start <= m AND s.span_end > m AND s.snapshot IS NOT NULL AND NOT pg_visible_in_snapshot(b.xid, s.snapshot));
    RETURN NULL;
END
$$;

CREATE TRIGGER record_unsequenced AFTER DELETE ON public.load_batch REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION public.record_unsequenced();
