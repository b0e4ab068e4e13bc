package contract

import "time"

// Tasks of maintenance.
const (
	// TaskRefresh rewrites recently changed minutes in the cache; every minute.
	TaskRefresh = "refresh"
	// TaskUpkeep creates and drops the warehouse's days and reconciles it with the
	// archive; every hour.
	TaskUpkeep = "upkeep"
	// TaskForget releases the places of a metric's values; on request, like all
	// further tasks.
	TaskForget = "forget"
	// TaskReplay loads events again. Its actions are ActionPlan and ActionRun.
	TaskReplay = "replay"
	// TaskRebuild recounts the rollups, refills the cache, or packs the events of users
	// again. Its actions are ActionRollups, ActionCache and ActionSequences.
	TaskRebuild = "rebuild"
	// TaskReconcile compares hours of arrival with the archive. Its actions are
	// ActionRun, and ActionList for the result.
	TaskReconcile = "reconcile"
	// TaskQuarantine shows and retries rejected lines. Its actions are ActionList,
	// ActionShow and ActionRun.
	TaskQuarantine = "quarantine"
	// TaskJobs lists jobs.
	TaskJobs = "jobs"
)

// Actions of tasks.
const (
	ActionPlan    = "plan"
	ActionRun     = "run"
	ActionList    = "list"
	ActionShow    = "show"
	ActionRollups = "rollups"
	ActionCache   = "cache"
	// ActionSequences packs the events of users again.
	ActionSequences = "sequences"
)

// Kinds of jobs. At most one job of a kind works at a time.
const (
	JobReplay    = "replay"
	JobRollups   = "rebuild rollups"
	JobCache     = "rebuild cache"
	JobSequences = "rebuild sequences"
	JobReconcile = "reconcile"
	JobRetry     = "quarantine retry"
)

// Sources of a replay. Another archive is s3://bucket.
const (
	SourceArchive    = "archive"
	SourceQuarantine = "quarantine"
	SourceGivenUp    = "given-up"
	SourceBucket     = "s3://"
)

// MaxSliceSeconds is the longest time that an invocation works on a job.
const MaxSliceSeconds = 55

// MaintenanceTask is the input of an invocation of maintenance, by a schedule or an
// operator.
type MaintenanceTask struct {
	Task   string `json:"task"`
	Action string `json:"action,omitempty"`
	// Metric and Values are for TaskForget: a metric's name, and the values that lose
	// their places.
	Metric string   `json:"metric,omitempty"`
	Values []string `json:"values,omitempty"`
	// Job is the job to continue. Without it, Resume continues the newest unfinished
	// job of the kind; otherwise a new job starts with JobParameters.
	Job    int64 `json:"job,omitempty"`
	Resume bool  `json:"resume,omitempty"`
	// Token identifies the request for a new job: a repetition does not start
	// another one.
	Token string `json:"token,omitempty"`
	// Seconds limits the time of a slice, at most MaxSliceSeconds; 0 means that.
	Seconds int `json:"seconds,omitempty"`
	// Rate limits a job to events per second; 0 means no limit. It applies to this
	// slice.
	Rate int `json:"rate,omitempty"`
	// After is the last row of the previous page of a list or plan.
	After string `json:"after,omitempty"`
	// Limit is the length of a list; 0 means 100.
	Limit int `json:"limit,omitempty"`
	// All also lists lines that were loaded after all.
	All bool `json:"all,omitempty"`
	JobParameters
}

// JobParameters define a job.
type JobParameters struct {
	// From (inclusive) and To (exclusive) limit arrivals, for TaskRebuild the events'
	// own times. Zero means without a limit, where that is possible.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// EventType and User select events.
	EventType string `json:"eventType,omitempty"`
	User      string `json:"user,omitempty"`
	// Source is a source of a replay.
	Source string `json:"source,omitempty"`
	// IDs select lines in quarantine.
	IDs []int64 `json:"ids,omitempty"`
	// Again compares hours again that are known to match.
	Again bool `json:"again,omitempty"`
	// Total is the number of records to replay, for the progress.
	Total int64 `json:"total,omitempty"`
}

// MaintenanceResult is the output of an invocation of maintenance.
type MaintenanceResult struct {
	// Forgotten are the values that had a place and lost it.
	Forgotten []string `json:"forgotten,omitempty"`
	// Job is the job after the slice.
	Job *Job `json:"job,omitempty"`
	// Jobs is the result of TaskJobs.
	Jobs []Job `json:"jobs,omitempty"`
	// Plan is the result of a replay's ActionPlan, for the part up to Next.
	Plan *ReplayPlan `json:"plan,omitempty"`
	// Hours is a page of the ledger.
	Hours []Hour `json:"hours,omitempty"`
	// Lines are lines in quarantine.
	Lines []QuarantinedLine `json:"lines,omitempty"`
	// Next is the value of After for the next page; empty on the last one.
	Next string `json:"next,omitempty"`
	// Problem is why the task was not done. An error of the function is a failure
	// that may be temporary.
	Problem *Problem `json:"problem,omitempty"`
}

// Problems of a task.
const (
	ProblemBusy    = "busy"    // another job of the kind is running
	ProblemMissing = "missing" // no such job or line
	ProblemInvalid = "invalid" // the task is invalid
	ProblemDenied  = "denied"  // AWS denies access
)

// Problem is why a task was not done.
type Problem struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Job is a task that works in slices.
type Job struct {
	ID   int64  `json:"id"`
	Kind string `json:"kind"`
	// State is running, interrupted (no invocation works on it), done or failed.
	State string `json:"state"`
	// Done and Total are in units of the kind: records of a replay, lines of a retry,
	// minutes of a rebuild, hours of a reconciliation. Total may be an estimate; 0 is
	// unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total"`
	// Counts are further counts, by name.
	Counts     map[string]int64 `json:"counts,omitempty"`
	Error      string           `json:"error,omitempty"`
	Parameters JobParameters    `json:"parameters"`
	StartedAt  time.Time        `json:"startedAt"`
	UpdatedAt  time.Time        `json:"updatedAt"`
	FinishedAt *time.Time       `json:"finishedAt,omitempty"`
}

// States of a job.
const (
	StateRunning     = "running"
	StateInterrupted = "interrupted"
	StateDone        = "done"
	StateFailed      = "failed"
)

// Names of counts.
const (
	CountInserted    = "inserted"
	CountDuplicates  = "duplicates"
	CountRejected    = "rejected"
	CountExpired     = "expired"
	CountObjects     = "objects"
	CountCacheErrors = "cacheErrors"
	CountDiffering   = "differing"
	CountSlowed      = "slowedSeconds"
)

// ReplayPlan counts the objects that a replay reads.
type ReplayPlan struct {
	Objects int64 `json:"objects"`
	// Records is the number of records, or of lines in quarantine; of given-up
	// objects it is unknown, 0.
	Records int64 `json:"records"`
	Bytes   int64 `json:"bytes"`
	// Frozen is the number of objects that must be restored before they can be read.
	Frozen int64 `json:"frozen"`
}

// Hour is a line of the ledger: the comparison of an hour of arrival.
type Hour struct {
	Hour time.Time `json:"hour"`
	// Compared reports whether the hour was compared; otherwise the rest is zero.
	Compared  bool      `json:"compared"`
	CheckedAt time.Time `json:"checkedAt,omitzero"`
	Lines     int64     `json:"lines"`
	// Missing lines of the archive are not loaded; Unarchived rows of events are not
	// in the archive.
	Missing    int64 `json:"missing"`
	Unarchived int64 `json:"unarchived"`
}

// QuarantinedLine is a line that could not be loaded.
type QuarantinedLine struct {
	ID            int64     `json:"id"`
	Shard         string    `json:"shard"`
	Sequence      string    `json:"sequence"`
	Index         int       `json:"index"`
	Reason        string    `json:"reason"`
	Object        string    `json:"object"`
	QuarantinedAt time.Time `json:"quarantinedAt"`
	// RetriedAt is when the line was loaded after all.
	RetriedAt *time.Time `json:"retriedAt,omitempty"`
	// ArrivedAt and Text are set by ActionShow: when the line arrived, and its text.
	ArrivedAt time.Time `json:"arrivedAt,omitzero"`
	Text      string    `json:"text,omitempty"`
}
