package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/streamctl/streamctl/internal/deploy/stack"
)

// denySid is the id of the policy statement that denies writes.
const denySid = "StreamctlDestroy"

// statement is one of a bucket policy, as it was read.
type statement = json.RawMessage

// isDenial reports whether a statement is a destroy's.
func isDenial(s statement) bool {
	var named struct{ Sid string }
	return json.Unmarshal(s, &named) == nil && named.Sid == denySid
}

// DenyWrites adds a statement to a bucket's policy that denies every write, so
// that the bucket stays empty.
func (p *Pipeline) DenyWrites(ctx context.Context, bucket string) error {
	document, statements, err := p.bucketPolicy(ctx, bucket)
	if err != nil || slices.ContainsFunc(statements, isDenial) {
		return err
	}
	if document == nil {
		document = map[string]json.RawMessage{"Version": json.RawMessage(`"2012-10-17"`)}
	}
	denial := fmt.Sprintf(`{"Sid":%q,"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:%s:s3:::%s/*"}`, denySid, p.Caller.Partition(), bucket)
	p.Step("Denying writes to bucket %s", bucket)
	err = p.putPolicy(ctx, bucket, document, append(statements, statement(denial)))
	if stack.Code(err) == "NoSuchBucket" {
		return nil
	}
	return err
}

// allowWrites removes the statement of DenyWrites.
func (p *Pipeline) allowWrites(ctx context.Context, bucket string) error {
	document, statements, err := p.bucketPolicy(ctx, bucket)
	if err != nil || document == nil {
		return err
	}
	p.Step("Allowing writes to bucket %s again", bucket)
	return p.putPolicy(ctx, bucket, document, slices.DeleteFunc(statements, isDenial))
}

// bucketPolicy reads a bucket's policy; nil if it has none, or does not exist.
func (p *Pipeline) bucketPolicy(ctx context.Context, bucket string) (document map[string]json.RawMessage, statements []statement, err error) {
	out, err := p.Buckets.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &p.Caller.Account})
	if c := stack.Code(err); c == "NoSuchBucketPolicy" || c == "NoSuchBucket" {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &document); err != nil {
		return nil, nil, fmt.Errorf("read the policy of bucket %s: %w", bucket, err)
	}
	if json.Unmarshal(document["Statement"], &statements) != nil { // a single one needs no list
		statements = []statement{document["Statement"]}
	}
	return document, statements, nil
}

func (p *Pipeline) putPolicy(ctx context.Context, bucket string, document map[string]json.RawMessage, statements []statement) error {
	if len(statements) == 0 {
		err := p.WhenFree(ctx, "bucket "+bucket, func() error {
			_, err := p.Buckets.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &p.Caller.Account})
			return err
		})
		if err != nil {
			return fmt.Errorf("delete the policy of bucket %s: %w", bucket, err)
		}
		return nil
	}
	var err error
	if document["Statement"], err = json.Marshal(statements); err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	text, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	err = p.WhenFree(ctx, "bucket "+bucket, func() error {
		_, err := p.Buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, ExpectedBucketOwner: &p.Caller.Account, Policy: aws.String(string(text))})
		return err
	})
	if err != nil {
		return fmt.Errorf("write the policy of bucket %s: %w", bucket, err)
	}
	return nil
}
