package fake

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// makeSnapshot handles CreateDBSnapshot and CopyDBSnapshot; a snapshot is
// available immediately.
func (f rdsAPI) makeSnapshot(w http.ResponseWriter, r *request) {
	s := Snapshot{ID: r.form.Get("DBSnapshotIdentifier"), Created: time.Now()}
	if r.call.Action == "CopyDBSnapshot" {
		s.ID = r.form.Get("TargetDBSnapshotIdentifier")
		source := r.form.Get("SourceDBSnapshotIdentifier")
		all := Inventory(f).Snapshots()
		i := slices.IndexFunc(all, func(o Snapshot) bool { return o.ID == source })
		if i < 0 {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBSnapshotNotFound", Message: "DBSnapshot " + source + " not found."})
			return
		}
		s.Instance, s.Engine, s.KMSKeyID = all[i].Instance, all[i].Engine, r.form.Get("KmsKeyId")
	} else {
		id := r.form.Get("DBInstanceIdentifier")
		p, ok := f.registry.find("AWS::RDS::DBInstance", id)
		if !ok {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBInstanceNotFound", Message: "DBInstance " + id + " not found."})
			return
		}
		if status := f.stores.status(id); status != available {
			f.refuse(w, r, notAvailable(id, status))
			return
		}
		s = f.snapshotOf(p, s.ID)
	}
	s.ARN = f.arn("rds", "snapshot:"+s.ID)
	f.stores.mu.Lock()
	there := slices.ContainsFunc(f.stores.snapshots, func(o Snapshot) bool { return strings.EqualFold(o.ID, s.ID) })
	if !there {
		f.stores.snapshots = append(f.stores.snapshots, s)
	}
	f.stores.mu.Unlock()
	if there {
		f.refuse(w, r, &wire.Error{Status: http.StatusBadRequest, Code: "DBSnapshotAlreadyExists", Message: "Cannot create the snapshot because a snapshot with the identifier " + s.ID + " already exists."})
		return
	}
	if r.call.Action == "CreateDBSnapshot" {
		f.stores.enter(s.Instance, f.databaseStep(), "backing-up")
	}
	wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.Group("DBSnapshot", s.nodes()...))
}
