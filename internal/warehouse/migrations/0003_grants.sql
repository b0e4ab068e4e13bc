-- The loader adds and never removes; the reader only reads. The master is a
-- member of the owning role and needs no grant.
GRANT SELECT, INSERT ON events, dimension, quarantine, load_batch, partition_wanted TO streamctl_loader;
GRANT SELECT, INSERT, UPDATE ON metric_minute TO streamctl_loader;
GRANT SELECT ON events_floor TO streamctl_loader;
GRANT SELECT ON events, metric_minute, dimension, quarantine, load_batch, events_floor TO streamctl_reader;
