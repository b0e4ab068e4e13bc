package fake

import (
	"net/http"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// serve handles calls for the topics that stacks created. An email subscription is
// pending until Functions.ConfirmSubscriptions.
func (f snsAPI) serve(w http.ResponseWriter, r *request) {
	if r.call.Action != "ListSubscriptionsByTopic" {
		f.refuse(w, r, notThere(r))
		return
	}
	topic := r.form.Get("TopicArn")
	r.call.Resource = topic
	if _, ok := f.registry.find("AWS::SNS::Topic", topic); !ok {
		f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "NotFound", Message: "Topic does not exist"})
		return
	}
	var members []wire.Node
	for _, s := range f.registry.list("AWS::SNS::Subscription") {
		if str(s.props, "TopicArn") != topic {
			continue
		}
		arn := s.id
		if !f.confirmed.Load() {
			arn = "PendingConfirmation"
		}
		members = append(members, wire.Group("member", wire.Text("SubscriptionArn", arn), wire.Text("Owner", f.options.Account),
			wire.Text("Protocol", str(s.props, "Protocol")), wire.Text("Endpoint", str(s.props, "Endpoint")), wire.Text("TopicArn", topic)))
	}
	wire.WriteQuery(w, snsNamespace, r.call.Action, wire.Group("Subscriptions", members...))
}

// ConfirmSubscriptions confirms all present and future subscriptions, like their owners
// with the link in the email.
func (f Functions) ConfirmSubscriptions() { f.confirmed.Store(true) }
