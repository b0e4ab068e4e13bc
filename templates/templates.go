// Package templates holds the hand-written inputs of the CloudFormation
// template.
package templates

import _ "embed"

// EventsModel is the JSON schema (draft 4) of a request's envelope: what API
// Gateway refuses before ingest sees it. What is inside an event is ingest's
// to judge, so that one bad event doesn't refuse the others.
//
//go:embed events-model.json
var EventsModel []byte

// Dashboard is the body of the CloudWatch dashboard, for Fn::Sub.
//
//go:embed dashboard.json
var Dashboard []byte
