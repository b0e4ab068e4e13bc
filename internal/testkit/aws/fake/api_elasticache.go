package fake

import (
	"net/http"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// serve handles DescribeReplicationGroups.
func (f elastiCacheAPI) serve(w http.ResponseWriter, r *request) {
	if r.call.Action != "DescribeReplicationGroups" {
		f.refuse(w, r, notThere(r))
		return
	}
	id := r.form.Get("ReplicationGroupId")
	var found []*physical
	for _, p := range f.registry.list("AWS::ElastiCache::ReplicationGroup") {
		if id == "" || p.id == id {
			found = append(found, p)
		}
	}
	if id != "" && len(found) == 0 {
		f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "ReplicationGroupNotFoundFault", Message: "ReplicationGroup " + id + " not found."})
		return
	}
	wire.WriteQuery(w, "http://elasticache.amazonaws.com/doc/2015-02-02/", r.call.Action, wire.List("ReplicationGroups", "ReplicationGroup", found, func(p *physical) []wire.Node {
		return []wire.Node{
			wire.Text("ReplicationGroupId", p.id), wire.Text("Status", "available"), wire.Text("Description", str(p.props, "ReplicationGroupDescription")),
			wire.Bool("TransitEncryptionEnabled", flag(p.props, "TransitEncryptionEnabled")), wire.Bool("AtRestEncryptionEnabled", flag(p.props, "AtRestEncryptionEnabled")),
		}
	}))
}
