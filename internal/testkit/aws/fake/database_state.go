package fake

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/pause"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// phase is a status of an instance until a time.
type phase struct {
	status string
	until  time.Time
}

// available is the status in which RDS accepts calls on an instance.
const available = "available"

// databaseStep is how long each status of an instance takes without
// Options.DatabaseStep.
const databaseStep = 5 * time.Millisecond

func (f *account) databaseStep() time.Duration {
	if f.options.DatabaseStep > 0 {
		return f.options.DatabaseStep
	}
	return databaseStep
}

// enter puts an instance into statuses, each for a time, one after the other.
func (s *stores) enter(id string, each time.Duration, statuses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var phases []phase
	until := time.Now()
	for _, status := range statuses {
		until = until.Add(each)
		phases = append(phases, phase{status, until})
	}
	s.phases[id] = phases
}

// status is an instance's current status.
func (s *stores) status(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.phases[id] {
		if time.Now().Before(p.until) {
			return p.status
		}
	}
	return available
}

// awaitDatabase waits until an instance is available, as CloudFormation's handler does
// after a create and, by inference, before a delete.
func (f rdsAPI) awaitDatabase(ctx context.Context, id string) error {
	for f.stores.status(id) != available {
		if err := pause.For(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// SetDatabaseStatus puts an instance into a status for a time, such as backing-up.
func (f Surroundings) SetDatabaseStatus(id, status string, d time.Duration) {
	f.stores.enter(id, d, status)
}

// ReplaceDatabase puts another instance in the place of one, which another stack created.
func (f Surroundings) ReplaceDatabase(id, stackID string) {
	p, ok := f.registry.find("AWS::RDS::DBInstance", id)
	if !ok {
		return
	}
	other := *p
	other.stackID, other.attrs = stackID, maps.Clone(p.attrs)
	other.attrs["DbiResourceId"] = "db-" + strings.ToUpper(wire.NewID(13))
	f.registry.put(&other)
}

// AutomatedBackups lists the deleted instances whose automated backups were kept.
func (f Inventory) AutomatedBackups() []string {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	return slices.Clone(f.stores.backups)
}

// deleteInstance handles DeleteDBInstance.
func (f rdsAPI) deleteInstance(w http.ResponseWriter, r *request, p *physical) {
	skip, final := r.form.Bool("SkipFinalSnapshot"), r.form.Get("FinalDBSnapshotIdentifier")
	status := f.stores.status(p.id)
	var err error
	switch {
	case flag(p.props, "DeletionProtection"):
		err = wire.Errorf("InvalidParameterCombination", "Cannot delete protected DB Instance, please disable deletion protection and try again.")
	case status == "deleting":
		err = wire.Errorf("InvalidDBInstanceState", "Instance %s is already being deleted.", p.id)
	case status != available:
		err = notAvailable(p.id, status)
	case skip && final != "":
		err = wire.Errorf("InvalidParameterCombination", "FinalDBSnapshotIdentifier can not be specified when deleting an instance with SkipFinalSnapshot.")
	case !skip && final == "":
		err = wire.Errorf("InvalidParameterCombination", "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.")
	}
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	f.stores.enter(p.id, 1000*time.Hour, "deleting")
	f.spawn(func(ctx context.Context) {
		if pause.For(ctx, f.databaseStep()) != nil {
			return
		}
		if err := f.stores.stopDatabase(ctx, p.id); err != nil {
			f.options.Log.ErrorContext(ctx, "stop database", "id", p.id, "error", err)
		}
		f.stores.mu.Lock()
		if final != "" {
			f.stores.snapshots = append(f.stores.snapshots, f.snapshotOf(p, final))
		}
		if r.form.Get("DeleteAutomatedBackups") == "false" {
			f.stores.backups = append(f.stores.backups, p.id)
		}
		delete(f.stores.phases, p.id)
		f.stores.mu.Unlock()
		f.registry.remove(p.kind, p.id)
	})
	wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.Group("DBInstance", f.instanceNodes(p)...))
}

func (f rdsAPI) snapshotOf(p *physical, id string) Snapshot {
	return Snapshot{ID: id, Instance: p.id, ARN: f.arn("rds", "snapshot:"+id), Engine: str(p.props, "Engine"), KMSKeyID: str(p.props, "KmsKeyId"), Created: time.Now()}
}

// notAvailable rejects a call on an instance that is created, backed up, modified or
// deleted.
func notAvailable(id, status string) error {
	return wire.Errorf("InvalidDBInstanceState", "DB instance %s is not in available state. Its status is %s.", id, status)
}
