-- Events whose client had a wrong clock. Another attempt to send such an event may have
-- another time, and is the same event although (event_id, timestamp) differs.
CREATE TABLE public.skewed_event (
    event_id  uuid PRIMARY KEY,
    timestamp timestamptz NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE public.skewed_event IS 'Events of clients with a wrong clock: another attempt with another time is the same event.';

GRANT SELECT, INSERT ON public.skewed_event TO streamctl_loader;
