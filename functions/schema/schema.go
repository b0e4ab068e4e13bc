// Package schema migrates the warehouse during a deploy: it handles the stack's
// custom resource for the schema.
package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// Warehouse is the database for a login as contract.RoleOwner; *warehouse.DB
// satisfies it.
type Warehouse interface {
	Roles
	Declarations
	Migrate(context.Context) (version int, err error)
	EnsurePartitions(ctx context.Context, first, last time.Time, pause func(context.Context, time.Duration) error) (made int, err error)
	Close(context.Context) error
}

// Roles manages the login roles that the owner creates.
type Roles interface {
	// EnsureSQLRole creates the role of SQL users and reports whether it can log in.
	EnsureSQLRole(context.Context) (canLogIn bool, err error)
	SetRoles(context.Context, warehouse.Limits) error
}

// Declarations stores the declarations of variables.yaml.
type Declarations interface {
	SetMetrics(context.Context, []metric.Definition) error
	ReserveEventTypes(context.Context, []string) error
	// SetInsightProperties sets the properties in the blocks of events.
	SetInsightProperties(ctx context.Context, paths []string) error
}

// declared holds the declarations of variables.yaml.
type declared struct {
	metrics    []metric.Definition
	types      []string
	properties []string
}

// readDeclared reads the declarations.
func readDeclared(p contract.MigrationProperties) (d declared, err error) {
	if d.metrics, err = metric.Decode(p.Metrics); err != nil {
		return d, fmt.Errorf("read properties: Metrics: %w", err)
	}
	if d.types, err = contract.DecodeList(p.EventTypes); err != nil {
		return d, fmt.Errorf("read properties: EventTypes: %w", err)
	}
	if d.properties, err = contract.DecodeList(p.InsightProperties); err != nil {
		return d, fmt.Errorf("read properties: InsightProperties: %w", err)
	}
	return d, nil
}

// Master is the database for a login as the master user; *warehouse.DB satisfies
// it.
type Master interface {
	EnsureRoles(context.Context) error
	Close(context.Context) error
}

// Deps are the dependencies of a Handler.
type Deps struct {
	// Owner logs in as contract.RoleOwner with IAM.
	Owner func() Warehouse
	// Master logs in as the master user, until the owner exists.
	Master func(user, password string) Master
	// Respond writes a response to the URL that CloudFormation reads.
	Respond func(ctx context.Context, url string, body []byte) error
	Clock   pause.Clock
	Log     *slog.Logger
}

// Handler handles the custom resource's requests.
type Handler struct {
	Deps
	env contract.Schema
}

// New returns a handler.
func New(env contract.Schema, d Deps) *Handler { return &Handler{d, env} }

const (
	// physicalID never changes: a different one would make CloudFormation
	// replace the resource.
	physicalID = "streamctl-schema"
	// answerTime is the part of the invocation's time that is kept for the
	// response.
	answerTime = 10 * time.Second
	// patience is how long to retry while a new database is unreachable or a
	// new login permission is not effective yet.
	retryFor = 2 * time.Minute
	// maxReason is the maximum length of the reason; a response may have 4,096
	// bytes.
	maxReason = 1500
)

// Handle performs a request and responds to it. If the response can't be
// delivered, it returns an error so that Lambda retries; every step can be
// repeated. The event contains a password: nothing but its type is logged.
func (h *Handler) Handle(ctx context.Context, e cfn.Event) error {
	r := cfn.NewResponse(&e)
	r.PhysicalResourceID, r.Status = physicalID, cfn.StatusSuccess
	if e.RequestType != cfn.RequestDelete { // there is nothing to undo
		if err := h.deploy(ctx, e.ResourceProperties); err != nil {
			h.Log.ErrorContext(ctx, "schema not migrated", "request", e.RequestType, "err", err)
			r.Status, r.Reason = cfn.StatusFailed, truncateReason(err.Error())
		}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode response: %w", err)
	}
	if err := h.Respond(ctx, e.ResponseURL, body); err != nil {
		return fmt.Errorf("respond to CloudFormation: %w", err)
	}
	h.Log.InfoContext(ctx, "answered", "request", e.RequestType, "status", r.Status)
	return nil
}

func (h *Handler) deploy(ctx context.Context, values map[string]any) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, deadline.Add(-answerTime), errors.New("the function ran out of time"))
		defer cancel()
	}
	p, err := contract.LoadMigrationProperties(values)
	if err != nil {
		return fmt.Errorf("read properties: %w", err)
	}
	limits, err := readLimits(p)
	if err != nil {
		return err
	}
	d, err := readDeclared(p)
	if err != nil {
		return err
	}
	if err := h.migrate(ctx, p, limits, d); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fmt.Errorf("%w: %w", cause, err)
		}
		return err
	}
	return nil
}

func (h *Handler) migrate(ctx context.Context, p contract.MigrationProperties, limits warehouse.Limits, d declared) (err error) {
	owner := h.Owner()
	defer func() { err = errors.Join(err, owner.Close(context.WithoutCancel(ctx))) }()
	version := 0
	work := func() error {
		canLogIn, err := owner.EnsureSQLRole(ctx)
		if err == nil && !canLogIn {
			err = h.makeRoles(ctx, p)
		}
		if err == nil {
			version, err = owner.Migrate(ctx)
		}
		return err
	}
	err = h.retry(ctx, warehouse.IsUnreachable, work)
	if warehouse.IsLoginRefused(err) {
		if err := h.makeRoles(ctx, p); err != nil {
			return err
		}
		// A new login permission of IAM may take a while to become effective.
		err = h.retry(ctx, func(err error) bool { return warehouse.IsUnreachable(err) || warehouse.IsLoginRefused(err) }, work)
	}
	if err != nil {
		return err
	}
	if err := owner.SetRoles(ctx, limits); err != nil {
		return err
	}
	today := h.Clock.Now().UTC().Truncate(24 * time.Hour)
	made, err := owner.EnsurePartitions(ctx, today.AddDate(0, 0, -h.env.EventMaxAgeDays), today.AddDate(0, 0, warehouse.DaysAhead), h.Clock.For)
	if err != nil {
		return err
	}
	if err := owner.SetMetrics(ctx, d.metrics); err != nil {
		return err
	}
	if err := owner.ReserveEventTypes(ctx, d.types); err != nil {
		return err
	}
	if err := owner.SetInsightProperties(ctx, d.properties); err != nil {
		return err
	}
	h.Log.InfoContext(ctx, "schema migrated", "version", version, "days", made, "metrics", len(d.metrics), "types", len(d.types), "properties", len(d.properties))
	return nil
}

// makeRoles logs in as the master user. A wrong password is a permanent error.
func (h *Handler) makeRoles(ctx context.Context, p contract.MigrationProperties) (err error) {
	master := h.Master(p.MasterUsername, p.MasterPassword)
	defer func() { err = errors.Join(err, master.Close(context.WithoutCancel(ctx))) }()
	return h.retry(ctx, warehouse.IsUnreachable, func() error { return master.EnsureRoles(ctx) })
}

// retry repeats work while its error is temporary, for at most retryFor.
func (h *Handler) retry(ctx context.Context, passes func(error) bool, work func() error) error {
	begun := h.Clock.Now()
	for {
		err := work()
		if err == nil || !passes(err) || h.Clock.Now().Sub(begun) >= retryFor {
			return err
		}
		h.Log.InfoContext(ctx, "database not ready", "err", err)
		if pauseErr := h.Clock.For(ctx, 2*time.Second); pauseErr != nil {
			return err
		}
	}
}

func readLimits(p contract.MigrationProperties) (l warehouse.Limits, err error) {
	if l.Loader, err = strconv.Atoi(p.LoaderConnections); err != nil || l.Loader < 0 {
		return l, errors.New("read properties: LoaderConnections: not a whole number")
	}
	if l.Reader, err = strconv.Atoi(p.ReaderConnections); err != nil || l.Reader < 0 {
		return l, errors.New("read properties: ReaderConnections: not a whole number")
	}
	return l, nil
}

func truncateReason(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return reason[:maxReason] + "…"
}
