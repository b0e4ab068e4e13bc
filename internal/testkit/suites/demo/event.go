package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// event is the documented event.
const event = `{"userId": "user123", "eventType": "page_view", "properties": {"page": "/dashboard", "timestamp": "2023-12-01T10:00:00Z"}}`

// count is the documented query.
const count = `SELECT event_type, COUNT(*) FROM events WHERE timestamp >= NOW() - INTERVAL '1 hour' GROUP BY event_type`

// patience is how long to wait for the event in each store.
const patience = time.Minute

// follow sends the event to the deployed API and finds it in SQL, in the
// metrics and in the archive.
func (d *demo) follow(ctx context.Context) error {
	outputs, err := d.outputs(ctx)
	if err != nil {
		return err
	}
	if err := d.send(ctx, outputs); err != nil {
		return err
	}
	began := time.Now()
	d.say("Querying PostgreSQL as the master user, over verified TLS")
	fmt.Fprintf(d.out, "analytics=> %s;\n", count)
	if err := d.eventually(ctx, func(ctx context.Context) (string, error) { return d.row(ctx, outputs) }); err != nil {
		return fmt.Errorf("find the event in SQL: %w", err)
	}
	d.say("Found in SQL %.1f s after it was accepted. Requesting the metric from the API, which reads it from Redis", time.Since(began).Seconds())
	fmt.Fprintln(d.out, "GET /metrics/summary")
	if err := d.eventually(ctx, func(ctx context.Context) (string, error) { return d.metric(ctx, outputs) }); err != nil {
		return fmt.Errorf("read the metric: %w", err)
	}
	d.say("Reading the archive bucket")
	if err := d.eventually(ctx, func(context.Context) (string, error) { return d.archived(outputs) }); err != nil {
		return fmt.Errorf("find the event in the archive: %w", err)
	}
	return nil
}

func (d *demo) outputs(ctx context.Context) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, d.platform.Streamctl, "outputs", "-o", "json", "--env", environment)
	cmd.Dir, cmd.Env = d.dir, d.platform.Environment()
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("read outputs: %w", err)
	}
	var outputs map[string]string
	if err := json.Unmarshal(text, &outputs); err != nil {
		return nil, fmt.Errorf("read outputs: %w", err)
	}
	return outputs, nil
}

// send posts the event, signed, to the printed endpoint.
func (d *demo) send(ctx context.Context, outputs map[string]string) error {
	url := outputs["ApiEndpoint"] + "/events"
	d.say("Sending an event, signed with the AWS credentials:")
	fmt.Fprintf(d.out, "$ curl -X POST %s --aws-sigv4 aws:amz:us-east-1:execute-api … -d '%s'\n", url, event)
	status, answer, err := d.platform.Call(ctx, http.MethodPost, url, []byte(event), nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "%d %s\n", status, answer)
	if status != http.StatusAccepted {
		return fmt.Errorf("send the event: the API returned status %d", status)
	}
	return nil
}

// eventually retries until there is a result, and prints it.
func (d *demo) eventually(ctx context.Context, look func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := look(ctx)
		if err == nil {
			fmt.Fprintln(d.out, strings.TrimSpace(found))
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

var errNotYet = errors.New("not there yet")

func (d *demo) row(ctx context.Context, outputs map[string]string) (_ string, err error) {
	pem, err := os.ReadFile(d.platform.Fake.CAFile)
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config, err := pgx.ParseConfig("postgres://analytics_admin@" + net.JoinHostPort(outputs["DatabaseEndpoint"], outputs["DatabasePort"]) + "/" + outputs["DatabaseName"])
	if err != nil {
		return "", err
	}
	config.Password = password
	config.TLSConfig = &tls.Config{RootCAs: roots, ServerName: outputs["DatabaseEndpoint"], MinVersion: tls.VersionTLS12}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	rows, err := conn.Query(ctx, count)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	var kind string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
		fmt.Fprintf(&text, " %s | %d\n", kind, n)
		return nil
	})
	if err == nil && text.Len() == 0 {
		err = errNotYet
	}
	return text.String(), err
}

func (d *demo) metric(ctx context.Context, outputs map[string]string) (string, error) {
	status, answer, err := d.platform.Call(ctx, http.MethodGet, outputs["ApiEndpoint"]+"/metrics/summary", nil, nil)
	if err == nil && (status != http.StatusOK || !bytes.Contains(answer, []byte("page_view"))) {
		err = errNotYet
	}
	return string(answer), err
}

func (d *demo) archived(outputs map[string]string) (string, error) {
	bucket := outputs["ArchiveBucket"]
	for _, key := range d.platform.Fake.Objects().Keys(bucket) {
		if !strings.HasPrefix(key, "raw/") {
			continue
		}
		object, err := d.platform.Fake.Objects().Get(bucket, key)
		if err != nil {
			return "", err
		}
		z, err := gzip.NewReader(bytes.NewReader(object))
		if err != nil {
			return "", err
		}
		lines, err := io.ReadAll(z)
		if err != nil {
			return "", err
		}
		return "s3://" + bucket + "/" + key + "\n" + string(lines), nil
	}
	return "", errNotYet
}
