package fake

// kinesisKinds declares Kinesis' types.
func kinesisKinds() map[string]kind {
	return map[string]kind{
		"AWS::Kinesis::Stream": {
			id: named("Name", 128), check: checkStream,
			create: createStream, update: updateStream, remove: removeStream,
			attributes: map[string]string{"Arn": "arn:aws:kinesis:{region}:{account}:stream/{id}"},
		},
	}
}
