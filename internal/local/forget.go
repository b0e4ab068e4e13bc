package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"

	"github.com/streamctl/streamctl/functions/maintenance"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// readKept reads the state of a data folder with a database.
func readKept(dir string) (k kept, err error) {
	text, err := daemon.ReadFile(filepath.Join(dir, stateFile), nil)
	if err != nil {
		return k, &FolderError{Dir: dir, What: err.Error(), Fix: "set --data-dir to the folder of a running `streamctl local`"}
	}
	if err := json.Unmarshal(text, &k); err != nil || k.DatabasePort == 0 {
		return k, &FolderError{Dir: dir, What: "it does not contain a database yet", Fix: "start `streamctl local` first"}
	}
	return k, nil
}

// ForgetValues runs the task contract.TaskForget in the database of a running
// `streamctl local`, as the master user, whose password is in the data folder.
func ForgetValues(ctx context.Context, dir, user string, task contract.MaintenanceTask) (r contract.MaintenanceResult, err error) {
	k, err := readKept(dir)
	if err != nil {
		return r, err
	}
	target := url.URL{
		Scheme: "postgres", User: url.UserPassword(user, k.Password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(k.DatabasePort)),
		Path: "/" + contract.DatabaseName, RawQuery: "sslmode=disable",
	}
	db := warehouse.NewURL(scramOnly(target.String()))
	defer func() { err = errors.Join(err, db.Close(context.WithoutCancel(ctx))) }()
	r.Forgotten, err = maintenance.Forget(ctx, db, task)
	if warehouse.IsUnreachable(err) {
		return r, &FolderError{Dir: dir, What: fmt.Sprintf("its PostgreSQL is not running: %v", err), Fix: "start `streamctl local` first"}
	}
	return r, err
}
