package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/streamctl/streamctl/internal/pause"
)

const (
	// networkWithin bounds the wait for network interfaces.
	networkWithin = time.Hour
	// networkLooks is how many of the usual waits there are between two looks: a
	// minute.
	networkLooks = 20
)

// awaitNetwork waits until Lambda has given back the network interfaces that kept
// security groups and subnets from being deleted. What is still there at the end,
// and at once what isn't Lambda's and so would never go, is written to the causes;
// users counts it. Known is false where the account's interfaces can't be seen:
// then it has only waited for a while.
func (o *Operator) awaitNetwork(ctx context.Context, causes []Event, until time.Time) (users int, known bool, err error) {
	told := ""
	for {
		found, err := o.interfaces(ctx, causes)
		if ctx.Err() != nil {
			return 0, false, fmt.Errorf("wait for network interfaces: %w", ctx.Err())
		}
		foreign := slices.DeleteFunc(slices.Clone(found), lambdas)
		late := o.now().After(until)
		switch {
		case len(foreign) > 0:
			return nameUsers(causes, foreign), true, nil
		case late && len(found) > 0:
			return nameUsers(causes, found), true, nil
		case late || err == nil && len(found) == 0:
			return 0, err == nil, nil
		}
		what := fmt.Sprintf("network interfaces that can't be seen (%v)", err)
		if err == nil {
			what = fmt.Sprintf("%d network interfaces", len(found))
		}
		if what != told {
			o.Report(Event{Kind: KindWaiting, Text: fmt.Sprintf("%s in %s, which Lambda gives back 5 to 40 minutes after its functions are gone, at most until %s",
				what, strings.Join(places(causes), ", "), until.Local().Format("15:04:05 MST"))})
			told = what
		}
		if err := pause.For(ctx, networkLooks*o.Poll); err != nil {
			return 0, false, fmt.Errorf("wait for network interfaces: %w", err)
		}
		if err != nil {
			return 0, false, nil
		}
	}
}

// ofNetwork says that something couldn't be deleted because of what uses it in
// the network.
func ofNetwork(c Event) bool {
	return strings.HasPrefix(c.Type, "AWS::EC2::") && networkInUse.MatchString(c.Reason)
}

// interfaces are those in the security groups and subnets among the causes.
func (o *Operator) interfaces(ctx context.Context, causes []Event) ([]types.NetworkInterface, error) {
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
		pages := ec2.NewDescribeNetworkInterfacesPaginator(o.Networks, &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{{Name: &filter, Values: ids}}})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("look at the network interfaces in %s: %w", strings.Join(ids, ", "), err)
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

// lambdas says that an interface is a function's, so that it goes by itself.
func lambdas(i types.NetworkInterface) bool {
	return i.InterfaceType == types.NetworkInterfaceTypeLambda || strings.HasPrefix(aws.ToString(i.Description), "AWS Lambda VPC ENI")
}

// nameUsers writes to each cause the interfaces that use it.
func nameUsers(causes []Event, found []types.NetworkInterface) int {
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

// places names what the network keeps.
func places(causes []Event) (out []string) {
	for _, c := range causes {
		if ofNetwork(c) {
			out = append(out, c.PhysicalID+" ("+c.LogicalID+")")
		}
	}
	return out
}
