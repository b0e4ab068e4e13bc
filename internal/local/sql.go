package local

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"

	"log/slog"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/sqlrun"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// SQL returns a runner of SQL statements in the database of a running `streamctl
// local`, as contract.RoleSQL.
func SQL(dir string, log *slog.Logger) (*sqlrun.Runner, error) {
	k, err := readKept(dir)
	if err != nil {
		return nil, err
	}
	password, err := pgserver.RolePassword(filepath.Join(dir, "postgres"), contract.RoleSQL)
	if err != nil {
		return nil, &FolderError{Dir: dir, What: err.Error(), Fix: "start `streamctl local` first"}
	}
	target := url.URL{
		Scheme: "postgres", User: url.UserPassword(contract.RoleSQL, password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(k.DatabasePort)),
		Path: "/" + contract.DatabaseName, RawQuery: "sslmode=disable",
	}
	return &sqlrun.Runner{Connect: warehouse.NewURL(scramOnly(target.String())).Connect, Log: log}, nil
}
