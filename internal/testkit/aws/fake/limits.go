package fake

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Limits of an account that was used for a while.
const (
	usualConcurrency = 1000
	usualShards      = 500
	usualInstances   = 40
)

// throttledError is a function without a free concurrent execution. Lambda rejects the
// invocation immediately, and never waits.
type throttledError struct{ reason string }

func (e *throttledError) Error() string { return "Rate Exceeded." }

// throttled returns Lambda's reason to reject an invocation, if running is the number of
// the function's invocations with it. Options.Concurrency only limits how many of them
// the fake runs at the same time; the others wait. For a function without a reservation,
// the account's limit counts as if it were the only one.
func (fs *functions) throttled(fn *function, running int) (reason string) {
	if reserved := number(fn.properties(), "ReservedConcurrentExecutions", -1); reserved >= 0 {
		if running > reserved {
			return "ReservedFunctionConcurrentInvocationLimitExceeded"
		}
		return ""
	}
	if running > cmp.Or(fs.fake.outside.account().Concurrency, usualConcurrency) {
		return "ConcurrentInvocationLimitExceeded"
	}
	return ""
}

// serveAccountSettings handles Lambda's GetAccountSettings.
func (f lambdaAPI) serveAccountSettings(w http.ResponseWriter, r *request) {
	r.is("GetAccountSettings", "*")
	if f.faulty(w, r) {
		return
	}
	limit := cmp.Or(f.outside.account().Concurrency, usualConcurrency)
	wire.WriteJSON(w, http.StatusOK, "application/json", map[string]any{
		"AccountLimit": map[string]any{"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit, "TotalCodeSize": 80530636800, "CodeSizeZipped": 52428800, "CodeSizeUnzipped": 262144000},
		"AccountUsage": map[string]any{"FunctionCount": len(f.registry.list("AWS::Lambda::Function")), "TotalCodeSize": 1 << 20},
	})
}

// serveOwn handles DescribeLimits and DescribeStreamSummary, because moto does not know the
// encryption of the template; ok is false for another call.
func (f kinesisAPI) serveOwn(w http.ResponseWriter, r *request, stream string) (ok bool) {
	a := f.outside.account()
	switch r.call.Action {
	case "DescribeLimits":
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{
			"ShardLimit": cmp.Or(a.Shards, usualShards), "OpenShardCount": cmp.Or(a.OpenShards, 2), "OnDemandStreamCount": 0, "OnDemandStreamCountLimit": 50,
		})
	case "DescribeStreamSummary":
		p, found := f.registry.find("AWS::Kinesis::Stream", stream)
		if !found {
			f.refuse(w, r, wire.Errorf("ResourceNotFoundException", "Stream %s under account %s not found.", stream, f.options.Account))
			return true
		}
		encryption := child(p.props, "StreamEncryption")
		wire.WriteJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"StreamDescriptionSummary": map[string]any{
			"StreamName": p.id, "StreamARN": f.arn("kinesis", "stream/"+p.id), "StreamStatus": "ACTIVE", "RetentionPeriodHours": number(p.props, "RetentionPeriodHours", 24),
			"StreamCreationTimestamp": p.created.Unix(), "EnhancedMonitoring": []any{}, "OpenShardCount": number(p.props, "ShardCount", onDemandShards),
			"EncryptionType": cmp.Or(str(encryption, "EncryptionType"), "NONE"), "KeyId": str(encryption, "KeyId"),
		}})
	default:
		return false
	}
	return true
}

// serveAccount handles RDS's calls for the account and for parameters; ok is false for
// another call.
func (f rdsAPI) serveAccount(w http.ResponseWriter, r *request) (ok bool) {
	switch r.call.Action {
	case "DescribeAccountAttributes":
		a := f.outside.account()
		used := cmp.Or(a.Instances, len(f.registry.list("AWS::RDS::DBInstance")))
		wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.Group("AccountQuotas", wire.Group("AccountQuota",
			wire.Text("AccountQuotaName", "DBInstances"), wire.Text("Used", strconv.Itoa(used)), wire.Text("Max", strconv.Itoa(cmp.Or(a.MaxInstances, usualInstances))))))
	case "DescribeDBParameters":
		name := r.form.Get("DBParameterGroupName")
		group, found := f.registry.find("AWS::RDS::DBParameterGroup", name)
		if !found {
			f.refuse(w, r, &wire.Error{Status: http.StatusNotFound, Code: "DBParameterGroupNotFound", Message: "DBParameterGroup not found: " + name})
			return true
		}
		var members []wire.Node
		for parameter, value := range child(group.props, "Parameters") {
			members = append(members, wire.Group("Parameter", wire.Text("ParameterName", parameter), wire.Text("ParameterValue", fmt.Sprint(value)), wire.Text("Source", "user")))
		}
		wire.WriteQuery(w, rdsNamespace, r.call.Action, wire.Group("Parameters", members...))
	default:
		return false
	}
	return true
}

// certificate returns the nodes of an instance's certificate and parameter group.
func (f rdsAPI) certificate(props map[string]any) []wire.Node {
	ends := f.outside.account().Certificate
	if ends.IsZero() {
		ends = f.now().AddDate(1, 0, 0)
	}
	authority := cmp.Or(str(props, "CACertificateIdentifier"), "rds-ca-rsa2048-g1")
	return []wire.Node{
		wire.Text("CACertificateIdentifier", authority),
		wire.Group("CertificateDetails", wire.Text("CAIdentifier", authority), wire.Text("ValidTill", ends.UTC().Format(time.RFC3339))),
		wire.Group("DBParameterGroups", wire.Group("DBParameterGroup", wire.Text("DBParameterGroupName", str(props, "DBParameterGroupName")), wire.Text("ParameterApplyStatus", "in-sync"))),
	}
}

const ec2Namespace = ` xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"`

// serveRegion handles EC2's calls for zones and VPCs; ok is false for another call.
func (f ec2API) serveRegion(w http.ResponseWriter, r *request) (ok bool) {
	a := f.outside.account()
	switch r.call.Action {
	case "DescribeAvailabilityZones":
		zones := a.Zones
		if zones == nil {
			zones = f.zones()
		}
		wire.WriteXML(w, http.StatusOK, wire.Group(r.call.Action+"Response"+ec2Namespace, wire.List("availabilityZoneInfo", "item", zones, func(z string) []wire.Node {
			return []wire.Node{wire.Text("zoneName", z), wire.Text("zoneState", "available"), wire.Text("regionName", f.options.Region)}
		})))
	case "DescribeVpcs":
		all := make([]string, cmp.Or(a.VPCs, len(f.registry.list("AWS::EC2::VPC"))+1)) // one is the default VPC
		wire.WriteXML(w, http.StatusOK, wire.Group(r.call.Action+"Response"+ec2Namespace, wire.List("vpcSet", "item", all, func(string) []wire.Node {
			return []wire.Node{wire.Text("vpcId", "vpc-"+wire.NewID(17)), wire.Text("state", "available")}
		})))
	default:
		return false
	}
	return true
}

// simulate handles SimulatePrincipalPolicy: everything but the denied actions is allowed.
func (f iamAPI) simulate(w http.ResponseWriter, r *request) {
	r.call.Resource = r.form.Get("PolicySourceArn")
	denied := f.outside.account().Denied
	actions := r.form.List("ActionNames")
	wire.WriteQuery(w, iamNamespace, r.call.Action, wire.Bool("IsTruncated", false), wire.List("EvaluationResults", "member", actions, func(action string) []wire.Node {
		decision := "allowed"
		if slices.Contains(denied, action) {
			decision = "implicitDeny"
		}
		return []wire.Node{wire.Text("EvalActionName", action), wire.Text("EvalDecision", decision), wire.Text("EvalResourceName", "*")}
	}))
}

// serveEncryption handles GetBucketEncryption for a stack's bucket; ok is false for another
// call, or a bucket without a setting in its template.
func (f endpoint) serveEncryption(w http.ResponseWriter, r *request, bucket string) (ok bool) {
	p, found := f.registry.find("AWS::S3::Bucket", bucket)
	rules := children(child(p0(p), "BucketEncryption"), "ServerSideEncryptionConfiguration")
	if r.call.Action != "GetEncryptionConfiguration" || !found || len(rules) == 0 {
		return false
	}
	by := child(rules[0], "ServerSideEncryptionByDefault")
	wire.WriteXML(w, http.StatusOK, wire.Group(`ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`, wire.Group("Rule",
		wire.Group("ApplyServerSideEncryptionByDefault", wire.Text("SSEAlgorithm", str(by, "SSEAlgorithm")), wire.Optional("KMSMasterKeyID", str(by, "KMSMasterKeyID"))),
		wire.Bool("BucketKeyEnabled", flag(rules[0], "BucketKeyEnabled")))))
	return true
}

// p0 returns the properties of a resource that may be missing.
func p0(p *physical) map[string]any {
	if p == nil {
		return nil
	}
	return p.props
}
