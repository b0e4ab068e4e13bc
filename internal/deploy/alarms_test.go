package deploy_test

import (
	"net/http"
	"testing"

	"github.com/streamctl/streamctl/internal/deploy"
	"github.com/streamctl/streamctl/internal/deploy/stack"
	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
)

// alarmStack has a topic with one email subscription.
const alarmStack = `
Resources:
  AlarmTopic: {Type: AWS::SNS::Topic}
  Email: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref AlarmTopic, Protocol: email, Endpoint: oncall@example.com}}
Outputs:
  AlarmTopicArn: {Value: !Ref AlarmTopic}
`

// TestAlarmReceivers counts a subscription as pending until its owner confirms it.
func TestAlarmReceivers(t *testing.T) {
	op, fake, _ := operator(t, awsfake.Options{})
	op.Layout.AlarmTopic = "AlarmTopicArn"
	s := apply(t, op, change{Spec: stack.Spec{Stack: "events", Template: []byte(alarmStack)}}).Stack
	want := func(want deploy.AlarmReceivers) {
		t.Helper()
		if got, err := op.AlarmReceivers(t.Context(), s); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	want(deploy.AlarmReceivers{Pending: 1})
	fake.ConfirmSubscriptions()
	want(deploy.AlarmReceivers{Confirmed: 1})
	fake.FailCall("sns", "ListSubscriptionsByTopic", http.StatusForbidden, "AuthorizationError", "not authorized", 1)
	if _, err := op.AlarmReceivers(t.Context(), s); err == nil {
		t.Error("a denied call has no error")
	}
	s.Outputs = nil
	want(deploy.AlarmReceivers{})
}
