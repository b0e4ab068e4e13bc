package fake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// logGroups are CloudWatch Logs' groups with the output of functions.
type logGroups struct {
	mu     sync.Mutex
	groups map[string]*logGroup
}

type logGroup struct {
	created time.Time
	events  []logEvent // of all streams, in order of arrival
}

type logEvent struct {
	id, stream, message string
	at                  time.Time
}

func newLogGroups() *logGroups { return &logGroups{groups: map[string]*logGroup{}} }

func (l *logGroups) exists(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.groups[name]
	return ok
}

func (l *logGroups) create(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.groups[name]; !ok {
		l.groups[name] = &logGroup{created: time.Now()}
	}
}

func (l *logGroups) remove(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.groups[name]
	delete(l.groups, name)
	return ok
}

func (l *logGroups) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for name := range l.groups {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (l *logGroups) write(group, stream, message string) {
	l.create(group)
	l.mu.Lock()
	defer l.mu.Unlock()
	g, ok := l.groups[group]
	if !ok {
		return // it was deleted just now
	}
	g.events = append(g.events, logEvent{id: wire.NewID(16), stream: stream, message: message, at: time.Now()})
}

// Logs returns the lines of a log group, oldest first.
func (f Functions) Logs(group string) []string {
	f.logs.mu.Lock()
	defer f.logs.mu.Unlock()
	g, ok := f.logs.groups[group]
	if !ok {
		return nil
	}
	var out []string
	for _, e := range g.events {
		out = append(out, e.message)
	}
	return out
}

// WriteLog writes a line into a log group, which is created if missing, like an
// AWS service.
func (f Functions) WriteLog(group, line string) { f.logs.write(group, "late", line) }

// FunctionLogs returns the log of a function, by its logical id.
func (f Functions) FunctionLogs(logicalID string) []string {
	fn, ok := f.functions.byLogicalID(logicalID)
	if !ok {
		return nil
	}
	return f.Logs(fn.logGroup(fn.properties()))
}

// logsRequest has the fields of the supported calls.
type logsRequest struct {
	LogGroupName, LogGroupIdentifier, LogGroupNamePrefix string
	LogStreamName, LogStreamNamePrefix                   string
	LogStreamNames                                       []string
	FilterPattern, NextToken                             string
	StartTime, EndTime                                   *int64
	Limit                                                int
	StartFromHead                                        bool
}

func (f logsAPI) serve(w http.ResponseWriter, r *request) {
	var in logsRequest
	if err := json.Unmarshal(r.body, &in); err != nil {
		f.refuse(w, r, wire.Errorf("SerializationException", "read request: %v", err))
		return
	}
	name := in.LogGroupName
	if name == "" && in.LogGroupIdentifier != "" {
		name = in.LogGroupIdentifier
		if _, after, isARN := strings.Cut(name, ":log-group:"); isARN {
			name = strings.TrimSuffix(after, ":*")
		}
	}
	if name != "" {
		r.call.Resource = f.arn("logs", "log-group:"+name)
	}
	out, err := f.logs.answer(f.account, r.call.Action, name, in)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	if out == nil {
		f.refuse(w, r, notThere(r))
		return
	}
	wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", out)
}

func (l *logGroups) answer(f *account, action, name string, in logsRequest) (any, error) {
	if action == "DescribeLogGroups" {
		groups := []map[string]any{}
		for _, n := range l.names() {
			if strings.HasPrefix(n, in.LogGroupNamePrefix) {
				groups = append(groups, map[string]any{"logGroupName": n, "arn": f.arn("logs", "log-group:"+n+":*"), "logGroupArn": f.arn("logs", "log-group:"+n)})
			}
		}
		return map[string]any{"logGroups": groups}, nil
	}
	l.mu.Lock()
	g, ok := l.groups[name]
	l.mu.Unlock()
	if !ok {
		return nil, wire.Errorf("ResourceNotFoundException", "The specified log group does not exist.")
	}
	switch action {
	case "DeleteLogGroup":
		l.remove(name)
		f.registry.remove("AWS::Logs::LogGroup", name)
		return map[string]any{}, nil
	case "DescribeLogStreams":
		return map[string]any{"logStreams": l.streams(f, name, g, in.LogStreamNamePrefix)}, nil
	case "GetLogEvents":
		in.LogStreamNames = []string{in.LogStreamName}
		events, _ := l.page(g, in)
		return map[string]any{"events": events, "nextForwardToken": "f/end", "nextBackwardToken": "b/start"}, nil
	case "FilterLogEvents":
		events, next := l.page(g, in)
		out := map[string]any{"events": events, "searchedLogStreams": []any{}}
		if next != "" {
			out["nextToken"] = next
		}
		return out, nil
	}
	return nil, nil
}

func (l *logGroups) streams(f *account, name string, g *logGroup, prefix string) []map[string]any {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []map[string]any{}
	seen := map[string]bool{}
	for _, e := range g.events {
		if !seen[e.stream] && strings.HasPrefix(e.stream, prefix) {
			seen[e.stream] = true
			out = append(out, map[string]any{
				"logStreamName": e.stream, "creationTime": e.at.UnixMilli(), "firstEventTimestamp": e.at.UnixMilli(),
				"arn": f.arn("logs", "log-group:"+name+":log-stream:"+e.stream),
			})
		}
	}
	return out
}

// page returns up to Limit events, 10,000 if zero; a filter pattern is a list
// of words that a line must contain.
func (l *logGroups) page(g *logGroup, in logsRequest) (events []map[string]any, next string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	start, err := strconv.Atoi(in.NextToken)
	if err != nil {
		start = 0
	}
	limit := in.Limit
	if limit <= 0 {
		limit = 10000
	}
	events = []map[string]any{}
	for i := start; i < len(g.events); i++ {
		e := g.events[i]
		if !in.wants(e) {
			continue
		}
		if len(events) == limit {
			return events, strconv.Itoa(i)
		}
		events = append(events, map[string]any{
			"eventId": e.id, "logStreamName": e.stream, "message": e.message, "timestamp": e.at.UnixMilli(), "ingestionTime": e.at.UnixMilli(),
		})
	}
	return events, ""
}

func (in logsRequest) wants(e logEvent) bool {
	at := e.at.UnixMilli()
	if len(in.LogStreamNames) > 0 && !slices.Contains(in.LogStreamNames, e.stream) ||
		!strings.HasPrefix(e.stream, in.LogStreamNamePrefix) ||
		in.StartTime != nil && at < *in.StartTime || in.EndTime != nil && at > *in.EndTime {
		return false
	}
	for word := range strings.FieldsSeq(in.FilterPattern) {
		if !strings.Contains(e.message, strings.Trim(word, `"`)) {
			return false
		}
	}
	return true
}
