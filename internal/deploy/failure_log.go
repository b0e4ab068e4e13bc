package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

const (
	// logLines is the number of last lines of a function that are shown.
	logLines = 5
	// logTimeout bounds the time to read a log, which is optional.
	logTimeout = 10 * time.Second
)

// failureLog reads the log of the function behind a custom resource.
type failureLog struct {
	logs  *cloudwatchlogs.Client
	group string // empty disables reading
}

// lines returns the last lines of the function. A rollback deletes the log group, so
// they are read immediately. A log that can't be read yields no lines: the failure
// itself matters more.
func (f failureLog) lines(ctx context.Context, _ stack.Event, began time.Time) (out []string) {
	if f.group == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	page, err := f.logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &f.group, StartTime: aws.Int64(began.Add(-time.Minute).UnixMilli())})
	if err != nil {
		return nil
	}
	for _, line := range page.Events {
		if text := logLine(aws.ToString(line.Message)); text != "" {
			out = append(out, text)
		}
	}
	return out[max(0, len(out)-logLines):]
}

// logLine formats a line; empty for Lambda's own lines.
func logLine(raw string) string {
	var line struct{ Level, Msg, Err string }
	raw = strings.TrimSpace(raw)
	for _, own := range []string{"START ", "END ", "REPORT ", "INIT_START "} {
		if strings.HasPrefix(raw, own) {
			return ""
		}
	}
	if json.Unmarshal([]byte(raw), &line) != nil || line.Msg == "" {
		return raw
	}
	text := line.Level + " " + line.Msg
	if line.Err != "" {
		text += ": " + line.Err
	}
	return text
}
