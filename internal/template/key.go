package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/kms"
	"github.com/awslabs/goformation/v7/cloudformation/policies"

	"github.com/streamctl/streamctl/internal/config"
)

// Deletion policies.
const (
	deletePolicy         policies.DeletionPolicy = "Delete"
	snapshot             policies.DeletionPolicy = "Snapshot"
	retain               policies.DeletionPolicy = "Retain"
	retainExceptOnCreate policies.DeletionPolicy = "RetainExceptOnCreate" // a failed create deletes it

	snapshotOld policies.UpdateReplacePolicy = "Snapshot"
	retainOld   policies.UpdateReplacePolicy = "Retain"
)

// thisKey is the key itself in its policy.
const thisKey = "*"

// addKey adds the key that encrypts all data. It outlives the stack if data that it
// encrypts does: a snapshot without its key can't be read.
func (t *Template) addKey(v config.Variables) {
	t.group("Encryption")
	onDelete := deletePolicy
	if v.HoldsData() {
		onDelete = retainExceptOnCreate
	}
	t.add(idKey, &kms.Key{
		Description:       new(Sub("${AWS::StackName}: all data")),
		EnableKeyRotation: new(true),
		KeyPolicy: policy(
			// The account's IAM policies decide. Without this statement the key's
			// policy could never be changed again.
			statement{Principal: map[string]string{"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")}, Action: "kms:*", Resource: thisKey},
			statement{Principal: service(Sub("logs.${AWS::Region}.${AWS::URLSuffix}")),
				Action:   []string{"kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"},
				Resource: thisKey,
				Condition: map[string]any{"ArnLike": map[string]string{
					"kms:EncryptionContext:aws:logs:arn": arn("logs", "log-group:*")}}},
			statement{Principal: service("cloudwatch.amazonaws.com"), Action: []string{"kms:Decrypt", "kms:GenerateDataKey*"}, Resource: thisKey, Condition: ownAccount()},
		),
		Tags:                                 labels(),
		AWSCloudFormationDeletionPolicy:      onDelete,
		AWSCloudFormationUpdateReplacePolicy: retainOld,
	})
	t.add(idKeyAlias, &kms.Alias{AliasName: Sub("alias/${AWS::StackName}"), TargetKeyId: Ref(idKey)})
}
