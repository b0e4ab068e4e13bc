package fake_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/jackc/pgx/v5"

	awsfake "github.com/streamctl/streamctl/internal/testkit/aws/fake"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/backends"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/faketest"
)

const replicated = `
Resources:
  Database:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Delete
    Properties:
      Engine: postgres
      EngineVersion: "16"
      DBInstanceClass: db.t3.micro
      DBInstanceIdentifier: warehouse
      DBName: analytics
      AllocatedStorage: "20"
      MasterUsername: chief
      MasterUserPassword: a-password
      BackupRetentionPeriod: 7
  Replica:
    Type: AWS::RDS::DBInstance # without a policy it asks for a snapshot
    Properties: {SourceDBInstanceIdentifier: !Ref Database, DBInstanceIdentifier: replica, DBInstanceClass: db.t3.micro}
Outputs:
  Host: {Value: !GetAtt Replica.Endpoint.Address}
  Port: {Value: !GetAtt Replica.Endpoint.Port}
  Resource: {Value: !GetAtt Replica.DbiResourceId}
  SourceResource: {Value: !GetAtt Database.DbiResourceId}
  SourcePort: {Value: !GetAtt Database.Endpoint.Port}
`

func TestReplica(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	c, s := created(t, f, "data", replicated)
	if output(s, "Resource") == output(s, "SourceResource") {
		t.Error("the replica has its source's resource id")
	}
	out, err := rds.NewFromConfig(config(f)).DescribeDBInstances(t.Context(), &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String("replica")})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.DBInstances[0]; aws.ToString(got.ReadReplicaSourceDBInstanceIdentifier) != "warehouse" || aws.ToString(got.MasterUsername) != "chief" || aws.ToInt32(got.AllocatedStorage) != 20 {
		t.Errorf("replica is %+v", got)
	}
	const replica = "{Type: AWS::RDS::DBInstance, Properties: {DBInstanceClass: db.t3.micro, SourceDBInstanceIdentifier: "
	created(t, f, "bare", `
Resources:
  It:
    Type: AWS::RDS::DBInstance
    DeletionPolicy: Delete
    Properties: {Engine: postgres, DBInstanceClass: db.t3.micro, DBInstanceIdentifier: bare, AllocatedStorage: "20", MasterUsername: chief, MasterUserPassword: a-password, BackupRetentionPeriod: 0}`)
	for _, tt := range []struct{ name, resource, want string }{
		{"no source", replica + "absent}}", "DBInstance absent not found."},
		{"no backups", replica + "bare}}", "Automated backups are not enabled for this database instance."},
		{"a master", replica + "warehouse, MasterUsername: chief}}", "The parameter MasterUsername can't be specified for a read replica"},
		{"a password", replica + "warehouse, MasterUserPassword: a-password}}", "The parameter MasterUserPassword can't be specified for a read replica"},
		{"a network", replica + "warehouse, DBSubnetGroupName: x}}", "The DBSubnetGroup shouldn't be specified while creating read replicas that lie in the same region as the source instance."},
		{"by ARN", replica + "'arn:aws:rds:us-east-1:123456789012:db:warehouse'}}", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, f, tt.resource); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("reason is %q, want %q", got, tt.want)
			}
		})
	}
	// A replica survives its source.
	created(t, f, "far", "Resources:\n  Far: {Type: AWS::RDS::DBInstance, Properties: {SourceDBInstanceIdentifier: warehouse, DBInstanceClass: db.t3.micro}}")
	remove(t, f, c, "data", types.StackStatusDeleteComplete)
	remove(t, f, c, "far", types.StackStatusDeleteComplete)
	if got := f.Snapshots(); len(got) != 0 {
		t.Errorf("snapshots are %+v", got)
	}
}

// TestReplicaServer reads the source's data from a replica.
func TestReplicaServer(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{Databases: backends.Postgres("")})
	c, s := created(t, f, "data", replicated)
	if output(s, "Port") == output(s, "SourcePort") {
		t.Errorf("both are at port %s", output(s, "Port"))
	}
	connect := func(port string) *pgx.Conn {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://chief:a-password@%s:%s/analytics?sslmode=verify-full&sslrootcert=%s", output(s, "Host"), port, f.CAFile))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the stack has been deleted by then
		return conn
	}
	if _, err := connect(output(s, "SourcePort")).Exec(t.Context(), "CREATE TABLE said AS SELECT 'hello' AS word"); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := connect(output(s, "Port")).QueryRow(t.Context(), "SELECT word FROM said").Scan(&got); err != nil || got != "hello" {
		t.Errorf("the replica returns %q, %v", got, err)
	}
	if !slices.ContainsFunc(f.Logins(), func(l awsfake.Login) bool { return l.Store == "replica" && l.User == "chief" && l.OK }) {
		t.Errorf("logins are %+v", f.Logins())
	}
	remove(t, f, c, "data", types.StackStatusDeleteComplete)
}

func TestBucketRefusals(t *testing.T) {
	f := faketest.Start(t, awsfake.Options{})
	for bucket, versioning := range map[string]string{"copies": "Enabled", "plain": ""} {
		if err := f.Objects().CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
		if err := f.Objects().SetVersioning(bucket, versioning); err != nil {
			t.Fatal(err)
		}
	}
	const (
		versions = "VersioningConfiguration: {Status: Enabled}, "
		copied   = "ReplicationConfiguration: {Role: r, Rules: [{Status: Enabled, Destination: {Bucket: 'arn:aws:s3:::"
		retained = "ObjectLockConfiguration: {ObjectLockEnabled: Enabled, Rule: {DefaultRetention: {Mode: GOVERNANCE, "
	)
	for _, tt := range []struct{ name, properties, want string }{
		{"copies", versions + copied + "copies'}}]}", ""},
		{"copies without versions", copied + "copies'}}]}", "Versioning must be 'Enabled' on the bucket to apply a replication configuration"},
		{"copies to nowhere", versions + copied + "absent'}}]}", "Destination bucket must exist."},
		{"copies without versions there", versions + copied + "plain'}}]}", "Destination bucket must have versioning enabled."},
		{"locked copies", "ObjectLockEnabled: true, " + copied + "copies'}}]}", ""},
		{"locked", "ObjectLockEnabled: true, " + retained + "Days: 3}}}", ""},
		{"locked without versions", "ObjectLockEnabled: true, VersioningConfiguration: {Status: Suspended}", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."},
		{"retention without versions", retained + "Days: 3}}}", "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"},
		{"retention twice", "ObjectLockEnabled: true, " + retained + "Days: 3, Years: 1}}}", "The XML you provided was not well-formed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := refusal(t, f, "{Type: AWS::S3::Bucket, Properties: {"+tt.properties+"}}"); !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("reason is %q, want %q", got, tt.want)
			}
		})
	}
}
