package template

import (
	"strconv"

	"github.com/awslabs/goformation/v7/cloudformation/iam"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// telemetry lets a function write to the log groups of the stack's functions and send
// traces; X-Ray does not support resources.
func telemetry() []statement {
	return []statement{
		{Action: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resource: arn("logs", "log-group:"+LogGroup("${AWS::StackName}", "*"))},
		{Action: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"}, Resource: "*"},
	}
}

// networkInterfaces lets Lambda create a function's network interfaces with the
// function's role. The Describe actions do not support resources, and a narrower
// resource for the other actions breaks the function's access to the VPC.
func networkInterfaces() statement {
	return statement{
		Action: []string{"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface",
			"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"},
		Resource: "*",
	}
}

// own returns the statements for one function's own work.
func (t *Template) own(v config.Variables, function string) []statement {
	key := GetAtt(idKey, "Arn")
	var statements []statement
	switch function {
	case contract.FuncIngest:
		statements = []statement{
			{Action: "kinesis:PutRecords", Resource: GetAtt(idStream, "Arn")},
			{Action: "kms:GenerateDataKey", Resource: key},
		}
		if v.Privacy.HashUserIds { // AWS's key for SecureString needs no permission of its own
			statements = append(statements, statement{Action: "ssm:GetParameter", Resource: arn("ssm", "parameter"+contract.UserIDParameter("${AWS::StackName}"))})
		}
	case contract.FuncArchiver:
		statements = []statement{
			{Action: "s3:PutObject", Resource: objects("raw/*")},
			{Action: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resource: key},
		}
	case contract.FuncProcessor:
		statements = []statement{
			{Action: "s3:PutObject", Resource: []string{objects("quarantine/*"), objects("aws/lambda/*")}},
			// Lambda checks the bucket before it writes given up records.
			{Action: "s3:ListBucket", Resource: GetAtt(idArchive, "Arn")},
			{Action: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resource: key},
			login(contract.RoleLoader),
		}
	case contract.FuncQuery:
		statements = []statement{login(contract.RoleReader, contract.RoleSQL)}
	case contract.FuncSchema:
		statements = []statement{login(contract.RoleOwner)}
	case contract.FuncMaintenance:
		statements = append(readArchive(),
			statement{Action: "s3:PutObject", Resource: objects("quarantine/*")},
			statement{Action: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resource: key},
			login(contract.RoleOwner, contract.RoleLoader))
		statements = append(statements, readOthers(v.ReplayBuckets)...)
		if len(v.ReplayKeyArns) > 0 {
			statements = append(statements, statement{Action: "kms:Decrypt", Resource: v.ReplayKeyArns})
		}
	}
	return statements
}

// addSharedPolicies adds the policies that several functions' roles share.
func (t *Template) addSharedPolicies() {
	t.add(idFunctionPolicy, &iam.ManagedPolicy{PolicyDocument: policy(telemetry()...)})
	t.add(idVpcPolicy, &iam.ManagedPolicy{PolicyDocument: policy(networkInterfaces())})
	t.add(idStreamPolicy, &iam.ManagedPolicy{PolicyDocument: policy(readStream()...)})
	t.add(idCachePolicy, &iam.ManagedPolicy{PolicyDocument: policy(statement{Action: "elasticache:Connect", Resource: []string{
		arn("elasticache", "replicationgroup:${"+idCache+"}"),
		GetAtt(idCacheUser, "Arn"),
	}})})
}

// shared returns the policies of addSharedPolicies in a function's role. The role
// refers to them, so they exist before the users of the role.
func shared(f contract.Function) []string {
	arns := []string{Ref(idFunctionPolicy)}
	if f.InVPC {
		arns = append(arns, Ref(idVpcPolicy))
	}
	if f.Name == contract.FuncArchiver || f.Name == contract.FuncProcessor {
		arns = append(arns, Ref(idStreamPolicy))
	}
	if usesCache(f.Name) {
		arns = append(arns, Ref(idCachePolicy))
	}
	return arns
}

// readStream lets an event source mapping read the stream.
func readStream() []statement {
	return []statement{
		{Action: []string{"kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"}, Resource: GetAtt(idStream, "Arn")},
		// Lambda lists the account's streams when a mapping is created; the action does
		// not support resources.
		{Action: "kinesis:ListStreams", Resource: "*"},
	}
}

// login lets a function connect to the database as the given roles.
func login(roles ...string) statement {
	var users []string
	for _, role := range roles {
		users = append(users, arn("rds-db", "dbuser:${"+idDatabase+".DbiResourceId}/"+role))
	}
	if len(users) == 1 {
		return statement{Action: "rds-db:connect", Resource: users[0]}
	}
	return statement{Action: "rds-db:connect", Resource: users}
}

// addOperatorPolicies adds the policies of people who run SQL, and operator tasks. IAM
// can't tell the inputs of a function apart, so each has a function of its own.
func (t *Template) addOperatorPolicies() {
	invoke := func(function string) *iam.ManagedPolicy {
		return &iam.ManagedPolicy{PolicyDocument: policy(statement{Action: "lambda:InvokeFunction", Resource: t.invokeTargetOf(function)})}
	}
	t.add(idSQLPolicy, invoke(contract.FuncQuery))
	t.add(idOperatorPolicy, invoke(contract.FuncMaintenance))
}

// readArchive lists and reads the archive's bucket: the raw archive, the lines in
// quarantine, and the records that Lambda gave up.
func readArchive() []statement {
	return []statement{
		{Action: "s3:ListBucket", Resource: GetAtt(idArchive, "Arn")},
		{Action: "s3:GetObject", Resource: objects("*")},
	}
}

// readOthers lists and reads the raw archives of other stacks.
func readOthers(buckets []string) []statement {
	if len(buckets) == 0 {
		return nil
	}
	list, read := make([]string, len(buckets)), make([]string, len(buckets))
	for i, name := range buckets {
		list[i] = Sub("arn:${AWS::Partition}:s3:::" + name)
		read[i] = Sub("arn:${AWS::Partition}:s3:::" + name + "/raw/*")
	}
	return []statement{{Action: "s3:ListBucket", Resource: list}, {Action: "s3:GetObject", Resource: read}}
}

// objects is the ARN of objects in the archive bucket.
func objects(pattern string) string { return Sub("${" + idArchive + ".Arn}/" + pattern) }

func itoa(n int) string { return strconv.Itoa(n) }
