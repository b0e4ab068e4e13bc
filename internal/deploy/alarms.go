package deploy

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// AlarmReceivers counts the subscriptions of a stack's alarm topic. A pending
// subscription receives nothing until its owner confirms it.
type AlarmReceivers struct {
	Confirmed int `json:"confirmed"`
	Pending   int `json:"pending"`
}

// pendingARN is the ARN of every subscription that is not confirmed.
const pendingARN = "PendingConfirmation"

// AlarmReceivers reads the subscriptions of the stack's alarm topic. A stack without
// the topic's output has none.
func (o *Operator) AlarmReceivers(ctx context.Context, s stack.Stack) (AlarmReceivers, error) {
	return alarmReceivers(ctx, o.SNS, s.Outputs[o.Layout.AlarmTopic])
}

func alarmReceivers(ctx context.Context, api *sns.Client, topic string) (out AlarmReceivers, err error) {
	if topic == "" {
		return out, nil
	}
	pages := stack.Limit("subscriptions of topic "+topic, sns.NewListSubscriptionsByTopicPaginator(api, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic}))
	for pages.HasMorePages() {
		list, err := pages.NextPage(ctx)
		if err != nil {
			return out, fmt.Errorf("list subscriptions of topic %s: %w", topic, err)
		}
		for _, s := range list.Subscriptions {
			switch aws.ToString(s.SubscriptionArn) {
			case pendingARN:
				out.Pending++
			case "Deleted": // listed for up to three days
			default:
				out.Confirmed++
			}
		}
	}
	return out, nil
}
