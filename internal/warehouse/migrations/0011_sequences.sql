-- The events of closed hours and days by user, in compact blocks, from which questions
-- such as funnels are answered. events stays the source: blocks can be deleted at any
-- time and are packed again.
CREATE TABLE public.sequence_span (
    span_start timestamptz PRIMARY KEY,
    span_end   timestamptz NOT NULL CHECK (span_end > span_start),
    packed_at  timestamptz,
    snapshot   pg_snapshot,
    properties text[] NOT NULL DEFAULT '{}',
    events     bigint NOT NULL DEFAULT 0,
    bytes      bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE public.sequence_span IS 'Spans of time whose events are packed, or about to be: from now on, loads record in sequence_stale which users get further events in the span.';
COMMENT ON COLUMN public.sequence_span.packed_at IS 'Null for a span without blocks: its events are read from events.';
COMMENT ON COLUMN public.sequence_span.snapshot IS 'The transactions that the blocks include.';
COMMENT ON COLUMN public.sequence_span.properties IS 'Paths of the properties in the blocks.';

CREATE TABLE public.sequence_block (
    slice      smallint NOT NULL CHECK (slice BETWEEN 0 AND 63),
    span_start timestamptz NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (slice, span_start)
);
ALTER TABLE public.sequence_block ALTER COLUMN data SET STORAGE EXTERNAL;

COMMENT ON TABLE public.sequence_block IS 'The events of a span whose user is in a slice: the first 6 bits of the SHA-256 of user_id.';

CREATE TABLE public.sequence_stale (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hour    timestamptz NOT NULL,
    user_id varchar(255),
    at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE public.sequence_stale IS 'Users with events in a span that its blocks may lack. Null means all users.';

CREATE INDEX sequence_stale_hour ON public.sequence_stale (hour);

CREATE TABLE public.sequence_property (path text PRIMARY KEY);
COMMENT ON TABLE public.sequence_property IS 'Paths of the properties that new blocks contain: InsightProperties in variables.yaml.';

-- A question locks a row, so that few run at a time. SQL users can't lock rows.
CREATE TABLE public.insight_slot (slot smallint PRIMARY KEY);
COMMENT ON TABLE public.insight_slot IS 'A question about the events of users locks one of these rows while it reads.';
INSERT INTO public.insight_slot VALUES (1), (2);

-- A loader of an earlier version writes nothing to sequence_stale. Its batches show
-- which spans must be packed again.
ALTER TABLE public.load_batch ADD COLUMN sequenced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN public.load_batch.sequenced IS 'The loader wrote to sequence_stale.';
CREATE INDEX load_batch_unsequenced ON public.load_batch (xid) WHERE NOT sequenced;

GRANT SELECT ON public.sequence_span TO streamctl_loader;
GRANT INSERT ON public.sequence_stale TO streamctl_loader;
GRANT SELECT ON public.sequence_span, public.sequence_block, public.sequence_stale, public.sequence_property, public.insight_slot TO streamctl_reader;
GRANT UPDATE ON public.insight_slot TO streamctl_reader;
