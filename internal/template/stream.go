package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/kinesis"

	"github.com/streamctl/streamctl/internal/config"
)

func (t *Template) addStream(v config.Variables) {
	t.group("Stream")
	stream := &kinesis.Stream{
		RetentionPeriodHours:                 new(v.StreamRetentionHours),
		StreamEncryption:                     &kinesis.Stream_StreamEncryption{EncryptionType: "KMS", KeyId: GetAtt(idKey, "Arn")},
		StreamModeDetails:                    &kinesis.Stream_StreamModeDetails{StreamMode: v.StreamMode},
		Tags:                                 labels(),
		AWSCloudFormationDeletionPolicy:      deletePolicy,
		AWSCloudFormationUpdateReplacePolicy: retainOld,
	}
	if v.StreamMode == config.StreamProvisioned {
		stream.ShardCount = new(v.ShardCount)
	}
	t.add(idStream, stream)
}
