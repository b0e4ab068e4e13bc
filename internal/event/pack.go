package event

import (
	"crypto/sha256"
	"encoding/hex"
)

// MaxRecordBytes bounds a record's data; the stream accepts 1 MiB including the
// partition key.
const MaxRecordBytes = 1<<20 - 2048

// Record is a record that ingest writes to the stream.
type Record struct {
	// PartitionKey is PartitionKey of the user's id, which keeps one user's events in
	// order.
	PartitionKey string
	// Data holds envelopes, joined by newlines.
	Data []byte
	// Envelopes are the indexes of the envelopes in Data, in the argument of Pack.
	Envelopes []int
}

// maxKeyBytes is the longest user id that is its own partition key. Kinesis accepts 256
// characters and doesn't document whether these are code points, UTF-16 units or bytes;
// 256 bytes satisfy each.
const maxKeyBytes = 256

// PartitionKey returns the partition key of a user's events: the user's id, or the
// SHA-256 of a long one in hexadecimal. A longer key would fail the whole PutRecords
// call, with other users' events, on every retry.
func PartitionKey(userID string) string {
	if len(userID) <= maxKeyBytes {
		return userID
	}
	sum := sha256.Sum256([]byte(userID))
	return hex.EncodeToString(sum[:])
}

// Pack combines envelopes into records: the envelopes of one user share a record while
// they fit, in their order.
func Pack(envelopes []Envelope) []Record {
	firsts, next := byUser(envelopes)
	size := 0
	for _, e := range envelopes {
		const rest = 220 // names, id, times and index
		size += rest + len(e.Event.UserID) + len(e.Event.Type) + len(e.Event.Properties) + len(e.RequestID)
	}
	p := packer{data: make([]byte, 0, size), indexes: make([]int, 0, len(envelopes)), records: make([]Record, 0, len(firsts))}
	for _, first := range firsts {
		p.begin(envelopes[first].Event.UserID)
		for i := first; i >= 0; i = next[i] {
			p.add(i, envelopes[i])
		}
	}
	return p.records
}

// byUser returns the first envelope of each user and, for each envelope, the user's
// next one, or -1.
func byUser(envelopes []Envelope) (firsts, next []int) {
	firsts, next = make([]int, 0, len(envelopes)), make([]int, len(envelopes))
	last := make(map[string]int, len(envelopes))
	for i, e := range envelopes {
		next[i] = -1
		if before, ok := last[e.Event.UserID]; ok {
			next[before] = i
		} else {
			firsts = append(firsts, i)
		}
		last[e.Event.UserID] = i
	}
	return firsts, next
}

// packer allocates all records in one buffer.
type packer struct {
	records []Record
	data    []byte
	indexes []int
	// dataFrom and indexFrom are the offsets of the last record.
	dataFrom, indexFrom int
}

func (p *packer) begin(user string) {
	p.dataFrom, p.indexFrom = len(p.data), len(p.indexes)
	p.records = append(p.records, Record{PartitionKey: PartitionKey(user)})
}

// add appends an envelope to the last record, or to a new one.
func (p *packer) add(index int, e Envelope) {
	end := len(p.data)
	if end > p.dataFrom {
		p.data = append(p.data, '\n')
	}
	line := len(p.data)
	p.data = e.AppendJSON(p.data)
	if end > p.dataFrom && len(p.data)-p.dataFrom > MaxRecordBytes {
		p.begin(e.Event.UserID)
		p.dataFrom = line
	}
	p.indexes = append(p.indexes, index)
	r := &p.records[len(p.records)-1]
	r.Data = p.data[p.dataFrom:len(p.data):len(p.data)]
	r.Envelopes = p.indexes[p.indexFrom:len(p.indexes):len(p.indexes)]
}
