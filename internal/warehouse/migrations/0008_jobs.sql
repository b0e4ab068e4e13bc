-- A job is an operator's task that works in slices, one invocation each.
CREATE TABLE public.job (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL,
    token        text,
    parameters   jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
    cursor       jsonb NOT NULL DEFAULT '{}',
    counts       jsonb NOT NULL DEFAULT '{}',
    error        text,
    lease        text,
    leased_until timestamptz,
    started_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);

COMMENT ON TABLE public.job IS 'Tasks of operators, such as a replay. A job that was interrupted resumes at its cursor.';
COMMENT ON COLUMN public.job.token IS 'Identifies the request that started the job, so that its repetition starts no second one.';
COMMENT ON COLUMN public.job.cursor IS 'What the job has completed. It is written in the transaction that completes it.';
COMMENT ON COLUMN public.job.lease IS 'The invocation that works on the job until leased_until; null between invocations.';

CREATE UNIQUE INDEX job_lease ON public.job (kind) WHERE lease IS NOT NULL;

-- Null for chunks of the stream. Lag is measured on these alone.
ALTER TABLE public.load_batch ADD COLUMN job bigint;
COMMENT ON COLUMN public.load_batch.job IS 'The job that loaded the chunk; null for chunks of the stream.';

ALTER TABLE public.quarantine
    ADD COLUMN id         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    ADD COLUMN retried_at timestamptz;
COMMENT ON COLUMN public.quarantine.retried_at IS 'When the line was loaded after all; null for a line that is not loaded.';

CREATE INDEX quarantine_object ON public.quarantine (object);

-- A job loads as streamctl_loader, and records its progress in the same
-- transactions.
GRANT SELECT, UPDATE (cursor, counts, leased_until, updated_at) ON public.job TO streamctl_loader;
GRANT UPDATE (reason, retried_at) ON public.quarantine TO streamctl_loader;
GRANT SELECT, DELETE ON public.reconciled_object TO streamctl_loader;
