package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

const (
	// logLines is how many of a function's last lines are shown.
	logLines = 5
	// logTime bounds the look into a log, which is only an extra.
	logTime = 10 * time.Second
)

// addLog adds to a custom resource's failure the last lines of the function
// behind it. A rollback deletes the log group, so this is done at once. What
// can't be read is left out: the failure itself is what matters.
func (o *Operator) addLog(ctx context.Context, e *Event, began time.Time) {
	if !e.Failed() || !strings.HasPrefix(e.Type, "Custom::") || o.CustomLog == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logTime)
	defer cancel()
	out, err := o.Logs.FilterLogEvents(ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &o.CustomLog, StartTime: aws.Int64(began.Add(-time.Minute).UnixMilli())})
	if err != nil {
		return
	}
	for _, line := range out.Events {
		if text := logLine(aws.ToString(line.Message)); text != "" {
			e.Log = append(e.Log, text)
		}
	}
	e.Log = e.Log[max(0, len(e.Log)-logLines):]
}

// logLine is a line as people read it; empty for Lambda's own.
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
