package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/iam"
	"github.com/awslabs/goformation/v7/cloudformation/s3"

	"github.com/streamctl/streamctl/internal/config"
)

// addArchive adds the bucket of the raw archive. It is deleted with the stack;
// CloudFormation fails while it still contains objects, so that only an operator can
// decide to empty it.
func (t *Template) addArchive(v config.Variables) {
	t.group("Archive")
	bucket := &s3.Bucket{
		BucketEncryption: &s3.Bucket_BucketEncryption{ServerSideEncryptionConfiguration: []s3.Bucket_ServerSideEncryptionRule{{
			BucketKeyEnabled:              new(true),
			ServerSideEncryptionByDefault: &s3.Bucket_ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms", KMSMasterKeyID: new(GetAtt(idKey, "Arn"))},
		}}},
		LifecycleConfiguration: &s3.Bucket_LifecycleConfiguration{Rules: lifecycle(v.ArchiveTransitionDays)},
		OwnershipControls:      &s3.Bucket_OwnershipControls{Rules: []s3.Bucket_OwnershipControlsRule{{ObjectOwnership: new("BucketOwnerEnforced")}}},
		PublicAccessBlockConfiguration: &s3.Bucket_PublicAccessBlockConfiguration{
			BlockPublicAcls: new(true), BlockPublicPolicy: new(true), IgnorePublicAcls: new(true), RestrictPublicBuckets: new(true),
		},
		Tags:                                 labels(),
		VersioningConfiguration:              &s3.Bucket_VersioningConfiguration{Status: "Enabled"},
		AWSCloudFormationDeletionPolicy:      deletePolicy,
		AWSCloudFormationUpdateReplacePolicy: retainOld,
	}
	if v.ObjectLockDays > 0 {
		bucket.ObjectLockEnabled = new(true)
		bucket.ObjectLockConfiguration = &s3.Bucket_ObjectLockConfiguration{
			ObjectLockEnabled: new("Enabled"),
			Rule:              &s3.Bucket_ObjectLockRule{DefaultRetention: &s3.Bucket_DefaultRetention{Mode: new("GOVERNANCE"), Days: new(v.ObjectLockDays)}},
		}
	}
	if v.ArchiveReplicationBucketArn != "" {
		t.addReplication(v, bucket)
	}
	t.add(idArchive, bucket)
	t.addTLSOnly(idArchivePolicy, idArchive)
}

// lifecycle moves the archive's objects and noncurrent versions to cheaper storage, and
// aborts unfinished uploads.
func lifecycle(days config.Transitions) []s3.Bucket_Rule {
	rules := []s3.Bucket_Rule{{
		Id: new("unfinished-uploads"), Status: "Enabled",
		AbortIncompleteMultipartUpload: &s3.Bucket_AbortIncompleteMultipartUpload{DaysAfterInitiation: 7},
	}}
	move := s3.Bucket_Rule{Id: new("cheaper-with-age"), Status: "Enabled", Prefix: new("raw/")}
	for _, step := range []struct {
		class string
		days  int
	}{{"STANDARD_IA", days.StandardIA}, {"GLACIER_IR", days.GlacierIR}, {"DEEP_ARCHIVE", days.DeepArchive}} {
		if step.days > 0 {
			move.Transitions = append(move.Transitions, s3.Bucket_Transition{StorageClass: step.class, TransitionInDays: new(step.days)})
			move.NoncurrentVersionTransitions = append(move.NoncurrentVersionTransitions, s3.Bucket_NoncurrentVersionTransition{StorageClass: step.class, TransitionInDays: step.days})
		}
	}
	if len(move.Transitions) > 0 {
		rules = append(rules, move)
	}
	return rules
}

// addReplication copies every object to a bucket that this stack does not own:
// replication can't be enabled before both exist.
func (t *Template) addReplication(v config.Variables, bucket *s3.Bucket) {
	// The role's policy contains the bucket, and the bucket the role: so the policy is
	// created last, and nothing is copied before.
	t.addRole(idReplicationRole, &iam.Role{AssumeRolePolicyDocument: trust("s3.amazonaws.com", ownAccount())})
	read := []string{"s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"}
	if v.ObjectLockDays > 0 {
		read = append(read, "s3:GetObjectRetention", "s3:GetObjectLegalHold")
	}
	t.add(idReplicationPolicy, &iam.Policy{
		PolicyName: "replication", Roles: []string{Ref(idReplicationRole)},
		PolicyDocument: policy(
			statement{Action: []string{"s3:GetReplicationConfiguration", "s3:ListBucket"}, Resource: GetAtt(idArchive, "Arn")},
			statement{Action: read, Resource: objects("*")},
			statement{Action: []string{"s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"}, Resource: v.ArchiveReplicationBucketArn + "/*"},
			statement{Action: "kms:Decrypt", Resource: GetAtt(idKey, "Arn")},
			statement{Action: "kms:Encrypt", Resource: v.ArchiveReplicationKeyArn},
		),
	})
	bucket.ReplicationConfiguration = &s3.Bucket_ReplicationConfiguration{
		Role: GetAtt(idReplicationRole, "Arn"),
		Rules: []s3.Bucket_ReplicationRule{{
			Id: new("copy"), Status: "Enabled", Priority: new(1),
			Filter:                  &s3.Bucket_ReplicationRuleFilter{Prefix: new("")},
			DeleteMarkerReplication: &s3.Bucket_DeleteMarkerReplication{Status: new("Disabled")},
			SourceSelectionCriteria: &s3.Bucket_SourceSelectionCriteria{SseKmsEncryptedObjects: &s3.Bucket_SseKmsEncryptedObjects{Status: "Enabled"}},
			Destination: &s3.Bucket_ReplicationDestination{
				Bucket:                  v.ArchiveReplicationBucketArn,
				EncryptionConfiguration: &s3.Bucket_EncryptionConfiguration{ReplicaKmsKeyID: v.ArchiveReplicationKeyArn},
			},
		}},
	}
}

// addTLSOnly denies every request to a bucket without TLS 1.2.
func (t *Template) addTLSOnly(id, bucket string) {
	whole := []string{GetAtt(bucket, "Arn"), Sub("${" + bucket + ".Arn}/*")}
	t.add(id, &s3.BucketPolicy{
		Bucket: Ref(bucket),
		PolicyDocument: policy(
			statement{Effect: "Deny", Principal: "*", Action: "s3:*", Resource: whole,
				Condition: map[string]any{"Bool": map[string]string{"aws:SecureTransport": "false"}}},
			statement{Effect: "Deny", Principal: "*", Action: "s3:*", Resource: whole,
				Condition: map[string]any{"NumericLessThan": map[string]string{"s3:TlsVersion": "1.2"}}},
		),
	})
}
