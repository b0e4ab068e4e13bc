package fake

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Interface is a network interface in a subnet.
type Interface struct {
	ID, Subnet string
	Groups     []string
	// Type is EC2's type: "lambda" for a function, "interface" for an instance.
	Type        string
	Description string
}

// interfaces are the network interfaces, which prevent the deletion of their
// subnet and groups.
type interfaces struct {
	mu  sync.Mutex
	all []Interface
}

// AttachInterface adds a network interface, like something outside the stacks.
func (f Surroundings) AttachInterface(i Interface) {
	f.interfaces.mu.Lock()
	defer f.interfaces.mu.Unlock()
	f.interfaces.all = append(f.interfaces.all, i)
}

// DetachInterface removes a network interface.
func (f Surroundings) DetachInterface(id string) {
	f.interfaces.mu.Lock()
	defer f.interfaces.mu.Unlock()
	f.interfaces.all = slices.DeleteFunc(f.interfaces.all, func(i Interface) bool { return i.ID == id })
}

// in returns the interfaces in the given groups and subnets; an empty filter
// matches all.
func (n *interfaces) in(groups, subnets []string) []Interface {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.all), func(i Interface) bool {
		grouped := slices.ContainsFunc(i.Groups, func(g string) bool { return slices.Contains(groups, g) })
		return len(groups) > 0 && !grouped || len(subnets) > 0 && !slices.Contains(subnets, i.Subnet)
	})
}

// linger keeps a deleted function's interfaces for a while, one in each of its
// subnets.
func (f ec2API) linger(function string) {
	p, ok := f.registry.find("AWS::Lambda::Function", function)
	if !ok || f.options.InterfacesLinger == 0 {
		return
	}
	for _, subnet := range items(child(p.props, "VpcConfig"), "SubnetIds") {
		i := Interface{
			ID: "eni-" + wire.NewID(17), Subnet: subnet, Groups: items(child(p.props, "VpcConfig"), "SecurityGroupIds"),
			Type: "lambda", Description: "AWS Lambda VPC ENI-" + function,
		}
		Surroundings(f).AttachInterface(i)
		f.spawn(func(ctx context.Context) {
			select {
			case <-ctx.Done():
			case <-time.After(f.options.InterfacesLinger):
				Surroundings(f).DetachInterface(i.ID)
			}
		})
	}
}

// removeSubnet rejects the deletion while the subnet has an interface.
func removeSubnet(_ context.Context, f *account, r cfn.Request) error {
	if len(f.interfaces.in(nil, []string{r.PhysicalID})) > 0 {
		return handlerError("Ec2", 400, "The subnet '"+r.PhysicalID+"' has dependencies and cannot be deleted.", "InvalidRequest")
	}
	return nil
}

// serve handles DescribeNetworkInterfaces, filtered by group or subnet, and the calls for
// the region.
func (f ec2API) serve(w http.ResponseWriter, r *request) {
	if f.serveRegion(w, r) {
		return
	}
	if r.call.Action != "DescribeNetworkInterfaces" {
		f.refuse(w, r, notThere(r))
		return
	}
	filters := map[string][]string{}
	for n := 1; ; n++ {
		name := r.form.Get(fmt.Sprintf("Filter.%d.Name", n))
		if name == "" {
			break
		}
		for v := 1; r.form.Has(fmt.Sprintf("Filter.%d.Value.%d", n, v)); v++ {
			filters[name] = append(filters[name], r.form.Get(fmt.Sprintf("Filter.%d.Value.%d", n, v)))
		}
		if name != "group-id" && name != "subnet-id" {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotImplemented, Code: "NotImplemented", Message: "the fake does not support the filter " + name})
			return
		}
	}
	found := f.interfaces.in(filters["group-id"], filters["subnet-id"])
	wire.WriteXML(w, http.StatusOK, wire.Group(`DescribeNetworkInterfacesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"`,
		wire.Text("requestId", wire.NewUUID()),
		wire.List("networkInterfaceSet", "item", found, func(i Interface) []wire.Node {
			return []wire.Node{
				wire.Text("networkInterfaceId", i.ID), wire.Text("subnetId", i.Subnet), wire.Text("interfaceType", i.Type),
				wire.Text("description", i.Description), wire.Text("status", "in-use"),
				wire.List("groupSet", "item", i.Groups, func(id string) []wire.Node { return []wire.Node{wire.Text("groupId", id)} }),
			}
		})))
}

// writeEC2Error writes an error in EC2's own format.
func writeEC2Error(w http.ResponseWriter, err error) {
	e := wire.AsError(err)
	wire.WriteXML(w, e.Status, wire.Group("Response",
		wire.Group("Errors", wire.Group("Error", wire.Text("Code", e.Code), wire.Text("Message", e.Message))),
		wire.Text("RequestID", wire.NewUUID())))
}
