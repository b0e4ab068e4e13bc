package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/streamctl/streamctl/internal/api"
	"github.com/streamctl/streamctl/internal/insight"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Sequences reads the events of users; *warehouse.Sequences satisfies it.
type Sequences interface {
	Read(ctx context.Context, r warehouse.SequenceRequest, to warehouse.SequenceConsumer) (warehouse.SequenceInfo, error)
	PropertyNames(ctx context.Context, from, to time.Time) ([]string, error)
}

// Answers keeps the answers to questions; *cache.Cache satisfies it.
type Answers interface {
	Answer(ctx context.Context, key string) (answer []byte, ok bool, err error)
	KeepAnswer(ctx context.Context, key string, answer []byte, keep time.Duration) error
}

const (
	// questionTime is the time after which a question is answered for the users read so
	// far; the rest of RequestTime is for the last slice and the response.
	questionTime = 12 * time.Second
	// questionMemory is the memory of a question in bytes. The rest of the function's
	// memory, 512 MB by default, is for the runtime and its garbage.
	questionMemory = 288 << 20
	// keepAnswer is how long an answer is kept.
	keepAnswer = 30 * time.Second
)

// asker answers questions about the events of users.
type asker struct{ Deps }

// question answers a question about the events of users, such as a funnel.
func (h asker) question(ctx context.Context, kind string, given map[string]string, now time.Time) (result, error) {
	q, err := insight.Read(kind, given, now)
	if err != nil {
		return result{}, err //nolint:wrapcheck // names the parameter
	}
	key, err := q.Key()
	if err != nil {
		return result{}, err //nolint:wrapcheck // impossible
	}
	if a, ok := h.keptAnswer(ctx, key, now); ok {
		return insightResult(q, a, now), nil
	}
	answer, info, err := h.ask(ctx, q, now)
	if err != nil {
		return result{}, err
	}
	a := answer.Response
	a.Origin = origin(false, true, info.At.Truncate(time.Second), now)
	if from := q.Need().From; from.Before(info.Floor) {
		a.DroppedBefore = &info.Floor
	}
	if a.Retention != nil {
		q.CloseCohorts(a.Retention, now)
	}
	h.keep(ctx, key, a)
	return insightResult(q, a, now), nil
}

// insightResult returns the response; a partial answer must not be kept for long.
func insightResult(q insight.Question, a api.InsightResponse, now time.Time) result {
	return result{a, shortIfPartial(q.Need().To, a.UserShare, now), a.Stale}
}

// ask reads the events of users and evaluates a question.
func (h asker) ask(ctx context.Context, q insight.Question, now time.Time) (a insight.Answer, info warehouse.SequenceInfo, err error) {
	run := insight.NewRun(q)
	need := run.Need()
	budget := questionTime
	if deadline, ok := ctx.Deadline(); ok {
		budget = min(budget, time.Until(deadline)-reserve)
	}
	info, err = h.Sequences.Read(ctx, warehouse.SequenceRequest{From: need.From, To: need.To, Types: need.Types, Paths: need.Paths, Budget: budget, Memory: questionMemory}, run)
	if err == nil {
		a = run.Finish()
		if a.Response.UserShare < 1 {
			a.Response.Limit = api.LimitTime
			if info.Full {
				a.Response.Limit = api.LimitMemory
			}
		}
		a.Response.Hints = h.hints(ctx, run)
	}
	switch {
	case err == nil, errors.Is(err, warehouse.ErrQuestionsBusy), errors.Is(err, warehouse.ErrQuestionTooLarge):
		return a, info, err
	}
	return a, info, fmt.Errorf("%w: %w", errUnavailable, err)
}

// keptAnswer returns an answer from the cache, if it has one.
func (h asker) keptAnswer(ctx context.Context, key string, now time.Time) (a api.InsightResponse, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, cacheTime)
	defer cancel()
	text, ok, err := h.Answers.Answer(ctx, key)
	if err == nil && ok {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		h.cacheFailed(ctx, err)
		return a, false
	}
	if !ok || a.AsOf == nil {
		return a, false
	}
	a.Origin = origin(true, false, *a.AsOf, now)
	return a, true
}

func (h asker) keep(ctx context.Context, key string, a api.InsightResponse) {
	text, err := json.Marshal(a)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cacheTime)
		defer cancel()
		err = h.Answers.KeepAnswer(ctx, key, text, keepAnswer)
	}
	if err != nil {
		h.cacheFailed(ctx, err)
	}
}

// events serves /metrics/events for events with given properties.
func (h asker) events(ctx context.Context, r seriesRequest, now time.Time) (result, error) {
	if r.to.Sub(r.from) > maxSteps*r.step {
		return result{}, &parameterError{"step", fmt.Sprintf("gives more than %d steps, the maximum with where", maxSteps)}
	}
	q, err := insight.Filtered(api.MetricEvents, r.where, r.eventType, r.from, r.to, r.step)
	if err != nil {
		return result{}, err //nolint:wrapcheck // names the parameter
	}
	answer, info, err := h.ask(ctx, q, now)
	if err != nil {
		return result{}, err
	}
	var points []warehouse.Point
	for _, p := range answer.Series {
		points = append(points, warehouse.Point{At: r.from.Add(time.Duration(p.Step) * r.step), Dimension: p.Type, N: p.Count})
	}
	a := api.MetricResponse{
		Metric: r.name, From: &r.from, To: &r.to, StepSeconds: int(r.step / time.Second), Where: r.where, UserShare: &answer.Response.UserShare, Limit: answer.Response.Limit, Hints: answer.Response.Hints,
		Origin: origin(false, true, info.At.Truncate(time.Second), now), Points: []api.Point{},
	}
	for _, p := range r.choose(points) {
		a.Points = append(a.Points, api.Point{At: p.At, EventType: p.Dimension, Count: p.N})
	}
	return result{a, shortIfPartial(r.to, *a.UserShare, now), a.Stale}, nil
}

// users serves /metrics/users for users with events that have given properties.
func (h asker) users(ctx context.Context, r daysRequest, now time.Time) (result, error) {
	ended := r.last.AddDate(0, 0, 1)
	q, err := insight.Filtered(api.MetricUsers, r.where, "", r.first, ended, 0)
	if err != nil {
		return result{}, err //nolint:wrapcheck // names the parameter
	}
	answer, info, err := h.ask(ctx, q, now)
	if err != nil {
		return result{}, err
	}
	a := api.MetricResponse{
		Metric: api.MetricUsers, Where: r.where, UserShare: &answer.Response.UserShare, Limit: answer.Response.Limit, Hints: answer.Response.Hints, Origin: origin(false, true, info.At.Truncate(time.Second), now),
		Days: make([]api.UsersDay, len(answer.Days)),
	}
	for i, n := range answer.Days {
		at := r.first.AddDate(0, 0, i)
		a.Days[i] = api.UsersDay{Day: at.Format(time.DateOnly), Exact: *a.UserShare == 1}
		if !at.Before(info.Floor) {
			a.Days[i].Users = &n
		}
	}
	return result{a, shortIfPartial(ended, *a.UserShare, now), a.Stale}, nil
}

// shortIfPartial returns the end of a range, or now for an answer without all users,
// which must not be kept for long.
func shortIfPartial(ended time.Time, share float64, now time.Time) time.Time {
	if share < 1 {
		return now
	}
	return ended
}
