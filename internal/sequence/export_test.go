package sequence

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// Sum appends a block's checksum.
func Sum(body []byte) []byte {
	return binary.BigEndian.AppendUint32(slices.Clone(body), crc32.ChecksumIEEE(body))
}

// Least returns the earliest time.
func (s *Sequences) Least() int64 {
	if len(s.Times) == 0 {
		return 0
	}
	return slices.Min(s.Times)
}
