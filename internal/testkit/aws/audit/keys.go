package audit

import (
	"slices"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// keyPolicies finds keys that a service may not use although its data is
// encrypted with them, and keys that the account can't manage.
func keyPolicies(v *View) []Problem {
	var out report
	for _, k := range v.of("AWS::KMS::Key") {
		root := "arn:" + v.stack.Partition + ":iam::" + account + ":root"
		if !slices.ContainsFunc(statements(k.Properties["KeyPolicy"]), func(s statement) bool {
			return s.effect == "Allow" && s.covers("kms:PutKeyPolicy", "*") && text(at(s.principal, "AWS")) == root
		}) {
			out.add(k.ID, "its policy can never be changed again")
		}
	}
	for _, g := range v.of("AWS::Logs::LogGroup") {
		key := g.Properties["KmsKeyId"]
		if key == nil {
			continue
		}
		k, ok := v.find(key, "AWS::KMS::Key")
		if ok && text(key) != text(v.value(k, "Arn")) || !ok && !strings.HasPrefix(text(key), "arn:") {
			out.add(g.ID, "needs the key's ARN, got %s", v.whose(key))
		}
		if arn := strings.TrimSuffix(text(v.value(g, "Arn")), ":*"); ok && !v.mayUse(k, v.regionalLogs(), arn) {
			out.add(k.ID, "doesn't let CloudWatch Logs encrypt %s", g.ID)
		}
	}
	for _, t := range v.of("AWS::SNS::Topic") {
		key := text(t.Properties["KmsMasterKeyId"])
		if key == "" {
			continue
		}
		k, ok := v.find(key, "AWS::KMS::Key")
		if !ok && strings.Contains(key, "alias/aws/sns") {
			out.add(t.ID, "alarms on a topic with the key of SNS are dropped")
		}
		for _, service := range v.publishers(t) {
			if ok && !v.mayUse(k, service, "") {
				out.add(k.ID, "doesn't let %s publish to %s", service, t.ID)
			}
		}
	}
	return append(out, roleKeys(v)...)
}

// publishers returns the services that a topic's policy lets publish.
func (v *View) publishers(topic cfn.Resource) []string {
	var out []string
	for _, p := range v.of("AWS::SNS::TopicPolicy") {
		if slices.Contains(texts(p.Properties["Topics"]), text(v.value(topic, "TopicArn"))) {
			for _, s := range statements(p.Properties["PolicyDocument"]) {
				if s.effect == "Allow" {
					out = append(out, s.services()...)
				}
			}
		}
	}
	return out
}

// mayUse reports whether a key's policy lets a service encrypt and decrypt. For
// a log group, the policy's condition must match the group.
func (v *View) mayUse(key cfn.Resource, service, logGroup string) bool {
	for _, action := range []string{"kms:Decrypt", "kms:GenerateDataKey"} {
		if !slices.ContainsFunc(statements(key.Properties["KeyPolicy"]), func(s statement) bool {
			pattern := text(at(s.condition, "ArnLike", "kms:EncryptionContext:aws:logs:arn"))
			return s.effect == "Allow" && slices.Contains(s.services(), service) && s.covers(action, "*") && (pattern == "" || match(pattern, logGroup))
		}) {
			return false
		}
	}
	return true
}

// roleKeys finds roles that may read or write encrypted data but may not use
// its key: S3 and Kinesis use it with the caller's permissions.
func roleKeys(v *View) []Problem {
	var out report
	check := func(f, role, holder cfn.Resource, key any, resource string, writes, reads []string) {
		k, ok := v.find(key, "AWS::KMS::Key")
		if !ok {
			return
		}
		arn := text(v.value(k, "Arn"))
		for _, side := range []struct {
			action string
			calls  []string
		}{{"kms:GenerateDataKey", writes}, {"kms:Decrypt", reads}} {
			uses := slices.ContainsFunc(side.calls, func(action string) bool { return v.touches(role, action, resource) })
			if uses && !v.allows(role, side.action, arn) {
				out.add(role.ID, "%s uses %s without %s on %s", f.ID, holder.ID, side.action, k.ID)
			}
		}
	}
	for _, f := range v.of("AWS::Lambda::Function") {
		role, _ := v.role(f)
		for _, s := range v.of("AWS::Kinesis::Stream") {
			check(f, role, s, at(s.Properties, "StreamEncryption", "KeyId"), text(v.value(s, "Arn")), []string{"kinesis:PutRecord", "kinesis:PutRecords"}, []string{"kinesis:GetRecords"})
		}
		for _, b := range v.of("AWS::S3::Bucket") {
			for _, rule := range list(at(b.Properties, "BucketEncryption", "ServerSideEncryptionConfiguration")) {
				check(f, role, b, at(rule, "ServerSideEncryptionByDefault", "KMSMasterKeyID"), text(v.value(b, "Arn"))+"/", []string{"s3:PutObject"}, []string{"s3:GetObject"})
			}
		}
	}
	return out
}

// touches reports whether a role has an action on a resource or a path below
// it.
func (v *View) touches(role cfn.Resource, action, resource string) bool {
	return slices.ContainsFunc(v.grants(role), func(s statement) bool {
		return s.effect == "Allow" && slices.Contains(s.actions, action) &&
			slices.ContainsFunc(s.resources, func(r string) bool { return strings.HasPrefix(r, resource) })
	})
}
