package leftovers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
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
func (l *Leftovers) interfaces(ctx context.Context, causes []stack.Event) ([]types.NetworkInterface, error) {
	var out []types.NetworkInterface
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
		pages := stack.Limit("network interfaces", ec2.NewDescribeNetworkInterfacesPaginator(l.Interfaces, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: &filter, Values: ids}}}))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("list the network interfaces in %s: %w", strings.Join(ids, ", "), err)
			}
			for _, i := range page.NetworkInterfaces {
				if !slices.ContainsFunc(out, func(o types.NetworkInterface) bool {
					return aws.ToString(o.NetworkInterfaceId) == aws.ToString(i.NetworkInterfaceId)
				}) {
					out = append(out, i)
				}
			}
		}
	}
	return out, nil
}

// isLambdaENI reports whether an interface is a function's, which Lambda deletes.
func isLambdaENI(i types.NetworkInterface) bool {
	return i.InterfaceType == types.NetworkInterfaceTypeLambda || strings.HasPrefix(aws.ToString(i.Description), "AWS Lambda VPC ENI")
}

// annotateCauses adds to each cause the interfaces that use it.
func annotateCauses(causes []stack.Event, found []types.NetworkInterface) int {
	for n := range causes {
		c := &causes[n]
		for _, i := range found {
			uses := aws.ToString(i.SubnetId) == c.PhysicalID || slices.ContainsFunc(i.Groups, func(g types.GroupIdentifier) bool { return aws.ToString(g.GroupId) == c.PhysicalID })
			if uses {
				c.Log = append(c.Log, fmt.Sprintf("used by network interface %s (%s): %s", aws.ToString(i.NetworkInterfaceId), i.InterfaceType, aws.ToString(i.Description)))
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
