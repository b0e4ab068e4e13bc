// Package chaos is the crash test: the real processor and archiver behind the
// event source mapper, on a real PostgreSQL and a real Redis, while everything
// breaks that can break. At the end of a run nothing is lost, nothing is
// counted twice, and archive, events, rollups and Redis say the same. Meanwhile
// a dashboard asks the real query function: an answer has what was committed as
// of the time that it tells, never more than is committed when it is read, and
// there is one whenever PostgreSQL is there.
//
// A run is a seed's: what clients send and what breaks at which step follow
// from it, how it interleaves doesn't. STREAMCTL_CHAOS_SEED runs one seed alone,
// STREAMCTL_CHAOS_RUNS that many new ones; `make chaos` a thousand.
//
// That the checks can fail is tested, too: by bugs, each planted in a variant of
// one part, each found by the check that is for it.
package chaos
