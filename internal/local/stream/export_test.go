package stream

// FailOn makes operations on files fail: op is open, write, sync or read.
func (s *Stream) FailOn(fail func(op, path string) error) { s.fail = fail; s.failMarks(fail) }

func (s *Stream) failMarks(fail func(op, path string) error) {
	for _, sh := range s.shards {
		sh.mark.fail = fail
	}
}

// ShardOf returns the id of the shard that accepts a key.
func (s *Stream) ShardOf(key string) string { return s.shardOf(key).ID }

// WithoutMarks makes the stream acknowledge records without writing marks.
func (s *Stream) WithoutMarks() {
	for _, sh := range s.shards {
		sh.mark.off = true
	}
}
