-- A value has its own rows in the minutes of "apart", and is folded into
-- __other__ in all other minutes. The split of a minute never changes, so that a
-- recount gives the same rows.
ALTER TABLE public.dimension
    ADD COLUMN apart       tstzmultirange NOT NULL DEFAULT '{(,)}',
    ADD COLUMN last_seen   date NOT NULL DEFAULT current_date,
    ADD COLUMN released_at timestamptz,
    ADD COLUMN reserved    boolean NOT NULL DEFAULT false;

COMMENT ON TABLE public.dimension IS 'The values of a metric that have rows of their own: a hundred, and the reserved ones. All others are folded into __other__.';
COMMENT ON COLUMN public.dimension.apart IS 'The minutes in which the value has rows of its own.';
COMMENT ON COLUMN public.dimension.last_seen IS 'The day, UTC, on which an event with the value was last loaded.';
COMMENT ON COLUMN public.dimension.released_at IS 'When the value lost its place; null for a value that has one.';
COMMENT ON COLUMN public.dimension.reserved IS 'The place is reserved in variables.yaml, beside the hundred.';

CREATE TABLE public.dimension_folded (
    metric text PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE public.dimension_folded IS 'Metrics that have folded a value. A value that gets a place in one of them may have been folded before.';

INSERT INTO public.dimension_folded (metric) SELECT metric FROM public.dimension GROUP BY metric HAVING count(*) >= 100;

CREATE TABLE public.dimension_wanted (
    metric    text NOT NULL,
    value     text NOT NULL,
    wanted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (metric, value)
);

COMMENT ON TABLE public.dimension_wanted IS 'Values that were folded although there is room for them. Maintenance gives them places.';

GRANT UPDATE (last_seen) ON public.dimension TO streamctl_loader;
GRANT SELECT, INSERT ON public.dimension_folded, public.dimension_wanted TO streamctl_loader;
GRANT SELECT ON public.dimension_folded, public.dimension_wanted TO streamctl_reader;
