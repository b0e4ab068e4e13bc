-- The state of each declared alert, and its changes. maintenance evaluates the alerts
-- every minute and resumes here after an interruption.
CREATE TABLE public.alert (
    name       text PRIMARY KEY,
    version    text NOT NULL,
    definition jsonb NOT NULL,
    state      text NOT NULL,
    since      timestamptz NOT NULL,
    holds      timestamptz,
    value      double precision,
    evaluated  timestamptz NOT NULL
);

CREATE TABLE public.alert_change (
    name  text NOT NULL,
    at    timestamptz NOT NULL,
    state text NOT NULL,
    value double precision,
    PRIMARY KEY (name, at)
);

COMMENT ON TABLE public.alert IS 'The state of each alert that variables.yaml declares.';
COMMENT ON COLUMN public.alert.version IS 'A hash of the definition. An alert with another definition starts over.';
COMMENT ON COLUMN public.alert.since IS 'When the state began.';
COMMENT ON COLUMN public.alert.holds IS 'Since when the condition holds without a break; null if it does not hold.';
COMMENT ON COLUMN public.alert.value IS 'The number, ratio or change in percent; null without data.';
COMMENT ON COLUMN public.alert.evaluated IS 'The end of the newest minute that was evaluated.';
COMMENT ON TABLE public.alert_change IS 'Changes of the states of alerts, for 400 days.';

GRANT SELECT ON public.alert, public.alert_change TO streamctl_reader;
