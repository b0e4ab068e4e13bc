package audit

import (
	"slices"
	"strings"
)

// mappingStart finds mappings that Lambda rejects, or that would skip records
// from before their creation.
func mappingStart(v *View) []Problem {
	var out report
	for _, m := range v.of("AWS::Lambda::EventSourceMapping") {
		if start := text(m.Properties["StartingPosition"]); start != "TRIM_HORIZON" {
			out.add(m.ID, "starts at %q: existing records in the stream are lost", start)
		}
		stream, ok := v.find(m.Properties["EventSourceArn"], "AWS::Kinesis::Stream")
		if !ok {
			out.add(m.ID, "reads %s", v.whose(m.Properties["EventSourceArn"]))
		}
		if _, ok := v.function(m.Properties["FunctionName"]); !ok {
			out.add(m.ID, "invokes %s", v.whose(m.Properties["FunctionName"]))
		}
		age := number(m.Properties["MaximumRecordAgeInSeconds"])
		if age >= 0 && age < 60 && m.Properties["MaximumRecordAgeInSeconds"] != nil || age > 604800 || age > number(stream.Properties["RetentionPeriodHours"])*3600 {
			out.add(m.ID, "gives records up after %v s", age)
		}
	}
	return out
}

// onFailure finds mappings whose function may not write given-up records. The
// key is fixed: aws/lambda/<mapping>/<shard>/…
func onFailure(v *View) []Problem {
	var out report
	for _, m := range v.of("AWS::Lambda::EventSourceMapping") {
		destination := text(at(m.Properties, "DestinationConfig", "OnFailure", "Destination"))
		if destination == "" {
			if retries := number(m.Properties["MaximumRetryAttempts"]); retries >= 0 || number(m.Properties["MaximumRecordAgeInSeconds"]) > 0 {
				out.add(m.ID, "gives up records without storing them")
			}
			continue
		}
		f, _ := v.function(m.Properties["FunctionName"])
		role, ok := v.role(f)
		bucket, isBucket := v.find(destination, "AWS::S3::Bucket")
		if !ok || !isBucket || destination != text(v.value(bucket, "Arn")) {
			continue
		}
		if !v.allows(role, "s3:PutObject", destination+"/aws/lambda/"+v.physicalID(m)+"/shardId-0/2026/01/01/x") {
			out.add(m.ID, "%s may not write aws/lambda/ in %s", role.ID, bucket.ID)
		}
		if !v.allows(role, "s3:ListBucket", destination) {
			out.add(m.ID, "%s may not list %s, which Lambda does before it writes", role.ID, bucket.ID)
		}
	}
	return out
}

// reservedConcurrency finds values that a new account rejects: it has ten
// concurrent executions in total.
func reservedConcurrency(v *View) []Problem {
	var out report
	if !v.Defaults {
		return nil
	}
	for _, f := range v.of("AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version") {
		for _, property := range []string{"ReservedConcurrentExecutions", "ProvisionedConcurrencyConfig"} {
			if f.Properties[property] != nil {
				out.add(f.ID, "%s is set by default", property)
			}
		}
	}
	return out
}

// runtimes finds runtimes that Lambda no longer accepts, and invalid sizes.
func runtimes(v *View) []Problem {
	var out report
	for _, f := range v.of("AWS::Lambda::Function") {
		if runtime := text(f.Properties["Runtime"]); runtime != "provided.al2023" {
			out.add(f.ID, "runtime %q", runtime)
		}
		memory, timeout := number(f.Properties["MemorySize"]), number(f.Properties["Timeout"])
		if memory < 128 || memory > 10240 || timeout < 1 || timeout > 900 {
			out.add(f.ID, "%v MiB, %v s", memory, timeout)
		}
		for _, name := range sortedNames(asMap(at(f.Properties, "Environment", "Variables"))) {
			if strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "_") || slices.Contains([]string{"LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "TZ"}, name) {
				out.add(f.ID, "variable %s is Lambda's own", name)
			}
		}
	}
	return out
}

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

// customResources finds custom resources that can't send their response while
// their network is created or deleted: nothing refers to a rule or an
// association, so only DependsOn keeps these in place.
func customResources(v *View) []Problem {
	var out report
	for _, r := range v.all() {
		f, ok := v.function(r.Properties["ServiceToken"])
		if !ok {
			continue
		}
		if timeout := number(r.Properties["ServiceTimeout"]); timeout < 1 || timeout >= 3600 {
			out.add(r.ID, "without a ServiceTimeout a lost response delays the deploy by an hour")
		} else if timeout < number(f.Properties["Timeout"]) {
			out.add(r.ID, "waits %v s for a function that may take %v s", timeout, number(f.Properties["Timeout"]))
		}
		groups := texts(at(f.Properties, "VpcConfig", "SecurityGroupIds"))
		if len(groups) == 0 {
			continue
		}
		for _, e := range v.of("AWS::EC2::VPCEndpoint", "AWS::EC2::SubnetRouteTableAssociation") {
			subnet := text(e.Properties["SubnetId"])
			if (subnet == "" || slices.Contains(texts(at(f.Properties, "VpcConfig", "SubnetIds")), subnet)) && !v.before(r.ID, e.ID) {
				out.add(r.ID, "doesn't wait for %s", e.ID)
			}
		}
		for _, g := range groups {
			for _, e := range v.egress(g) {
				if !v.before(r.ID, e.resource) {
					out.add(r.ID, "doesn't wait for %s", e.resource)
				}
			}
		}
		if role, ok := v.role(f); ok {
			for _, p := range v.attached(role) {
				if !v.before(r.ID, p.ID) {
					out.add(r.ID, "doesn't wait for %s", p.ID)
				}
			}
		}
	}
	return out
}
