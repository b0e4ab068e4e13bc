// Package templates embeds the hand-written parts of the CloudFormation template.
package templates

import _ "embed"

// Dashboard is the body of the CloudWatch dashboard, with variables for Fn::Sub.
//
//go:embed dashboard.json
var Dashboard []byte
