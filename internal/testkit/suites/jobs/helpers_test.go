package jobs_test

import (
	"github.com/streamctl/streamctl/internal/archive"
	"github.com/streamctl/streamctl/internal/chunk"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// firstChunk returns records as one chunk of the stream.
func firstChunk(records []archive.ArchivedRecord) warehouse.Chunk {
	return chunk.First(records, warehouse.MaxChunk).Chunk
}
