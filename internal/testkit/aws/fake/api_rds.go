package fake

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const rdsNamespace = "http://rds.amazonaws.com/doc/2014-10-31/"

// serve handles calls for instances and their final snapshots.
func (f rdsAPI) serve(w http.ResponseWriter, r *request) {
	id, snapshot := r.form.Get("DBInstanceIdentifier"), r.form.Get("DBSnapshotIdentifier")
	if id != "" {
		r.call.Resource = f.arn("rds", "db:"+id)
	}
	if f.serveAccount(w, r) {
		return
	}
	switch r.call.Action {
	case "DescribeDBInstances", "ModifyDBInstance", "DeleteDBInstance":
		var found []*physical
		for _, p := range f.registry.list("AWS::RDS::DBInstance") {
			if resource := r.form.Get("Filters.Filter.1.Values.Value.1"); resource != "" && fmt.Sprint(p.attrs["DbiResourceId"]) != resource {
				continue // dbi-resource-id, the only filter here
			}
			if id == "" || p.id == id {
				found = append(found, p)
			}
		}
		if id != "" && len(found) == 0 {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBInstanceNotFound", Message: "DBInstance " + id + " not found."})
			return
		}
		if r.call.Action == "DeleteDBInstance" {
			f.deleteInstance(w, r, found[0])
			return
		}
		if r.call.Action == "ModifyDBInstance" {
			if status := f.stores.status(id); status != available {
				f.refuse(w, r, notAvailable(id, status))
				return
			}
			f.modifyInstance(r, found[0])
			f.stores.enter(id, f.databaseStep(), "modifying")
			p, _ := f.registry.find("AWS::RDS::DBInstance", id)
			wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.Group("DBInstance", f.instanceNodes(p)...))
			return
		}
		wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.List("DBInstances", "DBInstance", found, f.instanceNodes))
	case "DescribeDBSnapshots":
		all := slices.DeleteFunc(Inventory(f).Snapshots(), func(s Snapshot) bool {
			return snapshot != "" && s.ID != snapshot || id != "" && s.Instance != id
		})
		if snapshot != "" && len(all) == 0 {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBSnapshotNotFound", Message: "DBSnapshot " + snapshot + " not found."})
			return
		}
		wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.List("DBSnapshots", "DBSnapshot", all, Snapshot.nodes))
	case "CreateDBSnapshot", "CopyDBSnapshot":
		f.makeSnapshot(w, r)
	case "DeleteDBSnapshot":
		f.stores.mu.Lock()
		before := len(f.stores.snapshots)
		f.stores.snapshots = slices.DeleteFunc(f.stores.snapshots, func(s Snapshot) bool { return s.ID == snapshot })
		gone := len(f.stores.snapshots) < before
		f.stores.mu.Unlock()
		if !gone {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBSnapshotNotFound", Message: "DBSnapshot " + snapshot + " not found."})
			return
		}
		wire.WriteQuery(w, rdsNamespace, r.call.Action)
	default:
		f.refuse(w, r, notThere(r))
	}
}

// modifyInstance changes the deletion protection; the fake supports no other
// change outside the stack.
func (f rdsAPI) modifyInstance(r *request, p *physical) {
	changed := *p
	changed.props = map[string]any{}
	for name, v := range p.props {
		changed.props[name] = v
	}
	if r.form.Has("DeletionProtection") {
		changed.props["DeletionProtection"] = r.form.Bool("DeletionProtection")
	}
	f.registry.put(&changed)
}

func (f rdsAPI) instanceNodes(p *physical) []wire.Node {
	props := f.instanceProperties(p)
	return append(f.certificate(props), []wire.Node{
		wire.Text("DBInstanceIdentifier", p.id), wire.Text("DBInstanceArn", fmt.Sprint(p.attrs["DBInstanceArn"])), wire.Text("DBInstanceStatus", f.stores.status(p.id)),
		wire.Text("Engine", str(props, "Engine")), wire.Text("EngineVersion", str(props, "EngineVersion")), wire.Text("DBInstanceClass", str(props, "DBInstanceClass")),
		wire.Text("MasterUsername", str(props, "MasterUsername")), wire.Text("DBName", str(props, "DBName")),
		wire.Text("DbiResourceId", fmt.Sprint(p.attrs["DbiResourceId"])), wire.Bool("DeletionProtection", flag(props, "DeletionProtection")),
		wire.Bool("MultiAZ", flag(props, "MultiAZ")), wire.Bool("StorageEncrypted", flag(props, "StorageEncrypted")), wire.Optional("KmsKeyId", str(props, "KmsKeyId")),
		wire.Text("AllocatedStorage", str(props, "AllocatedStorage")), wire.Optional("ReadReplicaSourceDBInstanceIdentifier", str(props, "SourceDBInstanceIdentifier")),
		wire.Group("Endpoint", wire.Text("Address", fmt.Sprint(p.attrs["Endpoint.Address"])), wire.Text("Port", fmt.Sprint(p.attrs["Endpoint.Port"]))),
		wire.Text("InstanceCreateTime", p.created.UTC().Format(time.RFC3339)),
		wire.List("TagList", "Tag", []string{p.stackID}, func(id string) []wire.Node {
			return []wire.Node{wire.Text("Key", "aws:cloudformation:stack-id"), wire.Text("Value", id)}
		}),
	}...)
}

func (s Snapshot) nodes() []wire.Node {
	return []wire.Node{
		wire.Text("DBSnapshotIdentifier", s.ID), wire.Text("DBSnapshotArn", s.ARN), wire.Text("DBInstanceIdentifier", s.Instance), wire.Text("Status", "available"),
		wire.Text("Engine", s.Engine), wire.Text("SnapshotType", "manual"), wire.Optional("KmsKeyId", s.KMSKeyID), wire.Bool("Encrypted", s.KMSKeyID != ""),
		wire.Text("SnapshotCreateTime", s.Created.UTC().Format(time.RFC3339)), wire.Text("PercentProgress", "100"),
	}
}
