package code

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// settings are the settings of an existing bucket.
type settings struct {
	versioning types.BucketVersioningStatus // empty if it was never set
	private    bool                         // blocks all public access
	policy     bucketPolicy
}

func (s *Store) read(ctx context.Context) (out settings, err error) {
	owner := &s.Caller.Account
	v, err := s.API.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner})
	if err != nil {
		return out, fmt.Errorf("read the versioning of artifact bucket %s: %w", s.Bucket, err)
	}
	out.versioning = v.Status
	block, err := s.API.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner})
	if err != nil && stack.Code(err) != "NoSuchPublicAccessBlockConfiguration" {
		return out, fmt.Errorf("read the public access block of artifact bucket %s: %w", s.Bucket, err)
	}
	if err == nil {
		b := block.PublicAccessBlockConfiguration
		out.private = aws.ToBool(b.BlockPublicAcls) && aws.ToBool(b.BlockPublicPolicy) && aws.ToBool(b.IgnorePublicAcls) && aws.ToBool(b.RestrictPublicBuckets)
	}
	policy, err := s.API.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.Bucket, ExpectedBucketOwner: owner})
	switch {
	case stack.Code(err) == "NoSuchBucketPolicy":
		return out, nil
	case err != nil:
		return out, fmt.Errorf("read the policy of artifact bucket %s: %w", s.Bucket, err)
	}
	if out.policy, err = parsePolicy(aws.ToString(policy.Policy)); err != nil {
		return out, fmt.Errorf("read the policy of artifact bucket %s: %w", s.Bucket, err)
	}
	return out, nil
}

// bucketPolicy is a policy whose statements and other elements are kept as they are.
type bucketPolicy struct {
	elements   map[string]json.RawMessage
	statements []json.RawMessage
}

func parsePolicy(text string) (p bucketPolicy, err error) {
	if err := json.Unmarshal([]byte(text), &p.elements); err != nil {
		return p, fmt.Errorf("parse policy: %w", err)
	}
	if json.Unmarshal(p.elements["Statement"], &p.statements) != nil { // one statement without a list
		p.statements = []json.RawMessage{p.elements["Statement"]}
	}
	return p, nil
}

// requiresTLS reports whether a statement denies everybody all requests without TLS.
func (p bucketPolicy) requiresTLS() bool {
	return slices.ContainsFunc(p.statements, func(text json.RawMessage) bool {
		var s struct {
			Effect    string
			Principal any
			Action    any
			Condition map[string]map[string]any
		}
		if json.Unmarshal(text, &s) != nil || s.Effect != "Deny" {
			return false
		}
		principal, _ := s.Principal.(map[string]any)
		all := func(v any) bool { return v == "*" || fmt.Sprint(v) == "[*]" }
		everything := s.Action == "s3:*" || fmt.Sprint(s.Action) == "[s3:*]"
		return (all(s.Principal) || all(principal["AWS"])) && everything && len(s.Condition) == 1 && len(s.Condition["Bool"]) == 1 &&
			slices.Contains([]string{"false", "[false]"}, fmt.Sprint(s.Condition["Bool"]["aws:SecureTransport"]))
	})
}

// with returns the policy with one more statement, which denies requests without TLS.
func (p bucketPolicy) with(partition, bucket string) (string, error) {
	sid := `"Sid":"TlsOnly",`
	for _, other := range p.statements {
		if strings.Contains(string(other), `"TlsOnly"`) { // another statement has the name
			sid = ""
		}
	}
	statement := fmt.Sprintf(`{%[3]s"Effect":"Deny","Principal":"*","Action":"s3:*",`+
		`"Resource":["arn:%[1]s:s3:::%[2]s","arn:%[1]s:s3:::%[2]s/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, partition, bucket, sid)
	elements := maps.Clone(p.elements)
	if elements == nil {
		elements = map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	}
	list, err := json.Marshal(append(slices.Clone(p.statements), json.RawMessage(statement)))
	if err != nil {
		return "", err
	}
	elements["Statement"] = list
	text, err := json.Marshal(elements)
	return string(text), err
}
