// Package chaos is the crash test: the real processor and archiver behind the
// event source mapper, on a real PostgreSQL and a real Redis, while everything
// fails that can fail. At the end of a run no event is lost or counted twice,
// and archive, events, rollups and Redis agree. Meanwhile a dashboard queries
// the real query function: a response contains everything committed as of its
// stated time, never more than is committed when it is read, and there is a
// response whenever PostgreSQL is available.
//
// A run depends on a seed: it determines the clients' events and which fault
// occurs at which step, but not the interleaving. STREAMCTL_CHAOS_SEED runs a
// single seed, STREAMCTL_CHAOS_RUNS that many new ones; `make chaos` runs a
// thousand.
//
// The checks are tested, too, with planted bugs: each is in a variant of one
// part and must be found by the intended check.
package chaos
