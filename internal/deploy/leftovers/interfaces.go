package leftovers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/deploy/stack"
	"github.com/streamctl/streamctl/internal/ec2"
	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// InterfaceTimeout bounds the wait for network interfaces.
	InterfaceTimeout = time.Hour
	// pollsPerCheck is the time between two checks, in poll intervals: a minute.
	pollsPerCheck = 20
)

// WaitForInterfaces waits until Lambda has deleted the network interfaces that kept
// security groups and subnets from being deleted. Interfaces that remain at the
// end, or that are not Lambda's and so would stay, are added to the causes; users
// is their number. Known is false if the credentials may not list interfaces: then
// it has waited for a minute.
func (l *Leftovers) WaitForInterfaces(ctx context.Context, causes []stack.Event, until time.Time) (users int, known bool, err error) {
	reported := ""
	for {
		found, err := l.interfaces(ctx, causes)
		if ctx.Err() != nil {
			return 0, false, fmt.Errorf("wait for network interfaces: %w", ctx.Err())
		}
		foreign := slices.DeleteFunc(slices.Clone(found), isLambdaENI)
		late := l.Clock.Now().After(until)
		switch {
		case len(foreign) > 0:
			return annotateCauses(causes, foreign), true, nil
		case late && len(found) > 0:
			return annotateCauses(causes, found), true, nil
		case late || err == nil && len(found) == 0:
			return 0, err == nil, nil
		}
		what := fmt.Sprintf("network interfaces that can't be listed (%v)", err)
		if err == nil {
			what = fmt.Sprintf("%d network interfaces", len(found))
		}
		if what != reported {
			l.Waiting("%s in %s, which Lambda deletes 5 to 40 minutes after its functions, at most until %s",
				what, strings.Join(describeBlocked(causes), ", "), until.Local().Format("15:04:05 MST"))
			reported = what
		}
		if err := pause.For(ctx, pollsPerCheck*l.Poll); err != nil {
			return 0, false, fmt.Errorf("wait for network interfaces: %w", err)
		}
		if err != nil {
			return 0, false, nil
		}
	}
}

// interfaces lists those in the security groups and subnets among the causes.
func (l *Leftovers) interfaces(ctx context.Context, causes []stack.Event) ([]ec2.NetworkInterface, error) {
	var out []ec2.NetworkInterface
	for filter, kind := range map[string]string{"group-id": "AWS::EC2::SecurityGroup", "subnet-id": "AWS::EC2::Subnet"} {
		var ids []string
		for _, c := range causes {
			if c.Type == kind {
				ids = append(ids, c.PhysicalID)
			}
		}
		if len(ids) == 0 {
			continue
		}
		found, err := l.Interfaces.NetworkInterfaces(ctx, filter, ids)
		if err != nil {
			return nil, fmt.Errorf("find the network interfaces in %s: %w", strings.Join(ids, ", "), err)
		}
		for _, i := range found {
			if !slices.ContainsFunc(out, func(o ec2.NetworkInterface) bool { return o.ID == i.ID }) {
				out = append(out, i)
			}
		}
	}
	return out, nil
}

// isLambdaENI reports whether an interface is a function's, which Lambda deletes.
func isLambdaENI(i ec2.NetworkInterface) bool {
	return i.Type == "lambda" || strings.HasPrefix(i.Description, "AWS Lambda VPC ENI")
}

// annotateCauses adds to each cause the interfaces that use it.
func annotateCauses(causes []stack.Event, found []ec2.NetworkInterface) int {
	for n := range causes {
		c := &causes[n]
		for _, i := range found {
			uses := i.Subnet == c.PhysicalID || slices.Contains(i.Groups, c.PhysicalID)
			if uses {
				c.Log = append(c.Log, fmt.Sprintf("used by network interface %s (%s): %s", i.ID, i.Type, i.Description))
			}
		}
	}
	return len(found)
}

// describeBlocked lists the resources that interfaces keep from being deleted.
func describeBlocked(causes []stack.Event) (out []string) {
	for _, c := range causes {
		if c.BlockedByNetwork() {
			out = append(out, c.PhysicalID+" ("+c.LogicalID+")")
		}
	}
	return out
}
