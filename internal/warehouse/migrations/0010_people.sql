-- Which known user an anonymous id belongs to. One link per anonymous id: that of the
-- earliest event which has one, by (timestamp, event_id), so that the order of loads
-- doesn't matter.
CREATE TABLE public.identity (
    anonymous_id text PRIMARY KEY,
    user_id      text NOT NULL,
    timestamp    timestamptz NOT NULL,
    event_id     uuid NOT NULL
);

-- The number of anonymous ids of each user. A user id with more than a hundred isn't one
-- person, but a placeholder or a shared account: its links don't count.
CREATE TABLE public.identity_user (
    user_id text PRIMARY KEY,
    links   bigint NOT NULL
);

CREATE INDEX identity_user_id ON public.identity (user_id);

COMMENT ON TABLE public.identity IS 'The user of each anonymous id, by the earliest event that links them.';
COMMENT ON COLUMN public.identity.anonymous_id IS 'The user_id of anonymous events.';
COMMENT ON COLUMN public.identity.user_id IS 'The user_id of the same person''s other events.';
COMMENT ON COLUMN public.identity.timestamp IS 'The time of the event that links them.';
COMMENT ON COLUMN public.identity.event_id IS 'The id of that event.';
COMMENT ON TABLE public.identity_user IS 'How many anonymous ids each user has. Links of more than a hundred don''t count.';

-- Policies on events apply to whoever reads the view. It has no columns of an operator,
-- which could not be dropped otherwise.
CREATE VIEW public.people_events WITH (security_invoker = true) AS
    SELECT e.id, e.event_id, e.user_id, e.event_type, e.timestamp, e.properties, e.received_at, e.arrived_at, e.source, e.line,
           coalesce(i.user_id, e.user_id) AS person_id
    FROM public.events e
    LEFT JOIN (public.identity i JOIN public.identity_user u ON u.user_id = i.user_id AND u.links <= 100) ON i.anonymous_id = e.user_id;

GRANT SELECT, INSERT, UPDATE ON public.identity TO streamctl_loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.identity_user TO streamctl_loader;
GRANT SELECT ON public.identity, public.identity_user, public.people_events TO streamctl_reader;

COMMENT ON VIEW public.people_events IS 'Events with the person: the user linked to an anonymous id, else the user_id.';
