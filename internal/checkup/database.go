package checkup

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/streamctl/streamctl/internal/health"
)

// DatabaseAPI reads instances, their parameters and the account's quotas; *rds.Client
// satisfies it.
type DatabaseAPI interface {
	DescribeDBInstances(context.Context, *rds.DescribeDBInstancesInput, ...func(*rds.Options)) (*rds.DescribeDBInstancesOutput, error)
	DescribeDBParameters(context.Context, *rds.DescribeDBParametersInput, ...func(*rds.Options)) (*rds.DescribeDBParametersOutput, error)
	DescribeAccountAttributes(context.Context, *rds.DescribeAccountAttributesInput, ...func(*rds.Options)) (*rds.DescribeAccountAttributesOutput, error)
}

var _ DatabaseAPI = (*rds.Client)(nil)

// Database checks the encryption, the access and the certificates of the stack's instances.
func Database(api DatabaseAPI, t Target, now time.Time) Check {
	return Check{"database", "rds:DescribeDBInstances", func(ctx context.Context) (out []Result, err error) {
		key, _ := t.resource("Key")
		for _, r := range t.ofType("AWS::RDS::DBInstance") {
			found, err := api.DescribeDBInstances(ctx, &rds.DescribeDBInstancesInput{DBInstanceIdentifier: aws.String(r.PhysicalID)})
			if err != nil {
				return out, fmt.Errorf("read database %s: %w", r.LogicalID, err)
			}
			if len(found.DBInstances) != 1 {
				return out, fmt.Errorf("read database %s: %d instances", r.LogicalID, len(found.DBInstances))
			}
			db := found.DBInstances[0]
			want := []setting{
				{"status", aws.ToString(db.DBInstanceStatus), "available"},
				{"encryption", strconv.FormatBool(aws.ToBool(db.StorageEncrypted)), "true"},
				{"public access", strconv.FormatBool(aws.ToBool(db.PubliclyAccessible)), "false"},
			}
			if r.Properties["SourceDBInstanceIdentifier"] == "" && aws.ToString(db.ReadReplicaSourceDBInstanceIdentifier) == "" {
				want = append(want, setting{"key", last(aws.ToString(db.KmsKeyId)), key.PhysicalID})
			}
			out = append(out, compare("database", r.LogicalID, want)...)
			out = append(out, certificate(r, db, now)...)
		}
		return out, nil
	}}
}

const (
	// certificateWarning and certificateFailure are the days before a certificate's end.
	certificateWarning = 30
	certificateFailure = 7
)

func certificate(r health.Resource, db types.DBInstance, now time.Time) []Result {
	const check, remedy = "certificate", "rotate it: `aws rds modify-db-instance --db-instance-identifier … --ca-certificate-identifier …`; the functions trust all authorities of RDS"
	if db.CertificateDetails == nil || db.CertificateDetails.ValidTill == nil {
		return problem(check, Warn, "`aws rds describe-db-instances --query 'DBInstances[].CertificateDetails'`", "%s: RDS reports no expiry", r.LogicalID)
	}
	ends := *db.CertificateDetails.ValidTill
	days := int(ends.Sub(now).Hours() / 24)
	text := fmt.Sprintf("%s: %s, valid until %s", r.LogicalID, aws.ToString(db.CertificateDetails.CAIdentifier), ends.UTC().Format(time.DateOnly))
	switch {
	case !ends.After(now):
		return problem(check, Fail, remedy, "%s: expired", text)
	case days < certificateFailure:
		return problem(check, Fail, remedy, "%s, in %d days", text, days)
	case days < certificateWarning:
		return problem(check, Warn, remedy, "%s, in %d days", text, days)
	}
	return ok(check, "%s", text)
}

// DatabaseTLS checks that PostgreSQL accepts only TLS.
func DatabaseTLS(api DatabaseAPI, t Target) Check {
	const check, parameter = "database TLS", "rds.force_ssl"
	return Check{check, "rds:DescribeDBParameters", func(ctx context.Context) ([]Result, error) {
		group, found := t.resource("DatabaseParameters")
		if !found {
			return problem(check, Fail, "`streamctl deploy` creates the parameter group", "the stack has no parameter group"), nil
		}
		value := ""
		pages := rds.NewDescribeDBParametersPaginator(api, &rds.DescribeDBParametersInput{DBParameterGroupName: aws.String(group.PhysicalID), Source: aws.String("user")})
		for n := 0; pages.HasMorePages() && n < maxPages; n++ {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, fmt.Errorf("read parameters of %s: %w", group.PhysicalID, err)
			}
			for _, p := range page.Parameters {
				if aws.ToString(p.ParameterName) == parameter {
					value = aws.ToString(p.ParameterValue)
				}
			}
		}
		return compare(check, "parameter group", []setting{{parameter, value, "1"}}), nil
	}}
}

// maxPages bounds the pages of one answer.
const maxPages = 100
