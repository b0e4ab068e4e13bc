package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/kms"
	"github.com/awslabs/goformation/v7/cloudformation/policies"

	"github.com/streamctl/streamctl/internal/config"
)

// Deletion policies.
const (
	deleteIt  policies.DeletionPolicy = "Delete"
	snapshot  policies.DeletionPolicy = "Snapshot"
	retain    policies.DeletionPolicy = "Retain"
	keepLater policies.DeletionPolicy = "RetainExceptOnCreate" // a failed create leaves nothing

	snapshotOld policies.UpdateReplacePolicy = "Snapshot"
	retainOld   policies.UpdateReplacePolicy = "Retain"
)

// thisKey is how a key's policy names the key itself.
const thisKey = "*"

// addKey makes the one key that encrypts everything. It outlives the stack
// wherever something encrypted with it does: a snapshot without its key is
// unreadable.
func (t *Template) addKey(v config.Variables) {
	t.group("Encryption")
	onDelete := deleteIt
	if v.HoldsData() {
		onDelete = keepLater
	}
	t.add(idKey, &kms.Key{
		Description:       new(Sub("${AWS::StackName}: all data")),
		EnableKeyRotation: new(true),
		KeyPolicy: policy(
			// The account's IAM policies decide. Without this statement nobody
			// could change the key's policy again.
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
