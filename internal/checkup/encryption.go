package checkup

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// KeyAPI reads keys; *kms.Client satisfies it.
type KeyAPI interface {
	DescribeKey(context.Context, *kms.DescribeKeyInput, ...func(*kms.Options)) (*kms.DescribeKeyOutput, error)
}

var _ KeyAPI = (*kms.Client)(nil)

// Key checks that the stack's key can be used.
func Key(api KeyAPI, t Target) Check {
	return Check{"key", "kms:DescribeKey", func(ctx context.Context) ([]Result, error) {
		key, found := t.resource("Key")
		if !found {
			return problem("key", Fail, "`streamctl deploy` creates it", "the stack has no key"), nil
		}
		out, err := api.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(key.PhysicalID)})
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		if state := string(out.KeyMetadata.KeyState); state != "Enabled" {
			return problem("key", Fail, "`aws kms cancel-key-deletion` and `aws kms enable-key`, before data can't be read any more", "its state is %s: no part of the platform can encrypt or decrypt", state), nil
		}
		return ok("key", "%s is enabled", key.PhysicalID), nil
	}}
}

// StreamAPI reads streams and Kinesis's limits; *kinesis.Client satisfies it.
type StreamAPI interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	DescribeLimits(context.Context, *kinesis.DescribeLimitsInput, ...func(*kinesis.Options)) (*kinesis.DescribeLimitsOutput, error)
}

var _ StreamAPI = (*kinesis.Client)(nil)

// Stream checks the stream's encryption.
func Stream(api StreamAPI, t Target) Check {
	return Check{"stream", "kinesis:DescribeStreamSummary", func(ctx context.Context) (out []Result, err error) {
		for _, r := range t.ofType("AWS::Kinesis::Stream") {
			found, err := api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(r.PhysicalID)})
			if err != nil {
				return out, fmt.Errorf("read stream: %w", err)
			}
			s := found.StreamDescriptionSummary
			out = append(out, compare("stream", r.LogicalID, []setting{{"status", string(s.StreamStatus), "ACTIVE"}, {"encryption", string(s.EncryptionType), "KMS"}})...)
		}
		return out, nil
	}}
}

// BucketAPI reads the encryption of buckets; *s3.Client satisfies it.
type BucketAPI interface {
	GetBucketEncryption(context.Context, *s3.GetBucketEncryptionInput, ...func(*s3.Options)) (*s3.GetBucketEncryptionOutput, error)
}

var _ BucketAPI = (*s3.Client)(nil)

// Archive checks the encryption of the stack's buckets.
func Archive(api BucketAPI, t Target) Check {
	return Check{"archive", "s3:GetEncryptionConfiguration", func(ctx context.Context) (out []Result, err error) {
		for _, r := range t.ofType("AWS::S3::Bucket") {
			found, err := api.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String(r.PhysicalID), ExpectedBucketOwner: aws.String(t.Account)})
			if err != nil {
				return out, fmt.Errorf("read encryption of bucket %s: %w", r.PhysicalID, err)
			}
			algorithm := ""
			if c := found.ServerSideEncryptionConfiguration; c != nil && len(c.Rules) > 0 && c.Rules[0].ApplyServerSideEncryptionByDefault != nil {
				algorithm = string(c.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm)
			}
			out = append(out, compare("archive", r.LogicalID, []setting{{"encryption", algorithm, "aws:kms"}})...)
		}
		return out, nil
	}}
}

// CacheAPI reads replication groups; *elasticache.Client satisfies it.
type CacheAPI interface {
	DescribeReplicationGroups(context.Context, *elasticache.DescribeReplicationGroupsInput, ...func(*elasticache.Options)) (*elasticache.DescribeReplicationGroupsOutput, error)
}

var _ CacheAPI = (*elasticache.Client)(nil)

// Cache checks the encryption of Redis, on disk and on the network.
func Cache(api CacheAPI, t Target) Check {
	return Check{"cache", "elasticache:DescribeReplicationGroups", func(ctx context.Context) (out []Result, err error) {
		for _, r := range t.ofType("AWS::ElastiCache::ReplicationGroup") {
			found, err := api.DescribeReplicationGroups(ctx, &elasticache.DescribeReplicationGroupsInput{ReplicationGroupId: aws.String(r.PhysicalID)})
			if err != nil {
				return out, fmt.Errorf("read replication group: %w", err)
			}
			for _, g := range found.ReplicationGroups {
				out = append(out, compare("cache", r.LogicalID, []setting{
					{"status", aws.ToString(g.Status), "available"},
					{"encryption", strconv.FormatBool(aws.ToBool(g.AtRestEncryptionEnabled)), "true"},
					{"TLS", strconv.FormatBool(aws.ToBool(g.TransitEncryptionEnabled)), "true"},
				})...)
			}
		}
		return out, nil
	}}
}

// RestAPI reads REST APIs; *apigateway.Client satisfies it.
type RestAPI interface {
	GetRestApi(context.Context, *apigateway.GetRestApiInput, ...func(*apigateway.Options)) (*apigateway.GetRestApiOutput, error)
}

var _ RestAPI = (*apigateway.Client)(nil)

// APITLS checks the security policy of the stack's API.
func APITLS(api RestAPI, t Target) Check {
	return Check{"API TLS", "apigateway:GET", func(ctx context.Context) (out []Result, err error) {
		for _, r := range t.ofType("AWS::ApiGateway::RestApi") {
			found, err := api.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: aws.String(r.PhysicalID)})
			if err != nil {
				return out, fmt.Errorf("read API: %w", err)
			}
			out = append(out, compare("API TLS", r.LogicalID, []setting{
				{"security policy", string(found.SecurityPolicy), r.Properties["SecurityPolicy"]},
				{"endpoint access mode", string(found.EndpointAccessMode), r.Properties["EndpointAccessMode"]},
			})...)
		}
		return out, nil
	}}
}
