// Package templates holds the hand-written inputs of the CloudFormation
// template.
package templates

import _ "embed"

// Dashboard is the body of the CloudWatch dashboard, for Fn::Sub.
//
//go:embed dashboard.json
var Dashboard []byte
