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
	// logTimeout bounds the reading of a log, which is only an extra.
	logTimeout = 10 * time.Second
)

// failureLog reads the log of the function behind a custom resource.
type failureLog struct {
	logs  *cloudwatchlogs.Client
	group string // empty reads none
}

// lines returns the last lines of the function. A rollback deletes the log group,
// so this is done immediately. A log that can't be read has no lines: the failure
// itself matters.
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

// logLine is a readable line; empty for a line of Lambda itself.
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
