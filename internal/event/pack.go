package event

import (
	"crypto/sha256"
	"encoding/hex"
)

// MaxRecordBytes bounds a record's data; the stream takes 1 MiB together with
// the partition key.
const MaxRecordBytes = 1<<20 - 2048

// Record is what ingest puts on the stream.
type Record struct {
	// PartitionKey is PartitionKey of the user's id: one user's events stay in
	// order.
	PartitionKey string
	// Data holds envelopes, joined by newlines.
	Data []byte
	// Envelopes are the indexes, in what was given to Pack, of the envelopes in Data.
	Envelopes []int
}

// maxKeyBytes is the longest user id that is its own partition key. Kinesis
// takes 256 characters and doesn't document whether it counts code points,
// UTF-16 units or bytes: 256 bytes are within each.
const maxKeyBytes = 256

// PartitionKey is the partition key of a user's events: the user's id, or the
// SHA-256 of a long one in hexadecimal digits. A longer key would fail the whole
// PutRecords call, with the events of others, on every retry.
func PartitionKey(userID string) string {
	if len(userID) <= maxKeyBytes {
		return userID
	}
	sum := sha256.Sum256([]byte(userID))
	return hex.EncodeToString(sum[:])
}

// Pack gathers envelopes into records: those of one user share a record while
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

// byUser gives the first envelope of each user and, for each envelope, the
// user's next one, or -1.
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

// packer keeps all records in one piece of memory.
type packer struct {
	records []Record
	data    []byte
	indexes []int
	// dataFrom and indexFrom are where the last record begins.
	dataFrom, indexFrom int
}

func (p *packer) begin(user string) {
	p.dataFrom, p.indexFrom = len(p.data), len(p.indexes)
	p.records = append(p.records, Record{PartitionKey: PartitionKey(user)})
}

// add puts an envelope into the last record, or into a new one behind it.
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
