package local

import (
	"context"
	"fmt"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/logfile"
	"github.com/streamctl/streamctl/internal/logs"
	"github.com/streamctl/streamctl/internal/tail"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// newestEvents returns what reads the dashboard's newest events, as contract.RoleSQL.
func (p *Platform) newestEvents() func(context.Context) ([]tail.Event, error) {
	db := warehouse.NewURL(p.stores.database(contract.RoleSQL))
	return tail.NewRecentEvents(func(ctx context.Context, text string, parameters [][]byte) ([][][]byte, error) {
		conn, err := db.Connect(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // there is nothing left to write
		result := conn.PgConn().ExecParams(ctx, text, parameters, nil, nil, nil).Read()
		if result.Err != nil {
			return nil, fmt.Errorf("run SQL: %w", result.Err)
		}
		return result.Rows, nil
	}, tail.Shown).Get
}

// rejected returns what reads the dashboard's rejected events from the log in the data
// folder.
func (p *Platform) rejected() func(context.Context) ([]tail.Rejection, error) {
	reader := logfile.NewReader(p.o.Dir)
	p.rejections = reader
	r := tail.RecentRejections{Read: func(_ context.Context, show func(logs.Line) error) error {
		return reader.Read(func(raw string) error {
			if l := logs.Parse(raw, "", time.Time{}); l.Function == contract.FuncIngest {
				return show(l)
			}
			return nil
		})
	}}
	return r.Get
}
