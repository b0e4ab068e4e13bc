package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/sqlproxy"
)

// sqlListening is the result of sql --listen, once it is ready.
type sqlListening struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Database string `json:"database"`
	User     string `json:"user"`
	// Password is valid until the command ends.
	Password string `json:"password"`
	URL      string `json:"url"`
	// Version is the database's.
	Version string `json:"version"`
}

// listenSQL serves PostgreSQL's protocol until an interrupt.
func listenSQL(ctx context.Context, a *App, o sqlOptions, args []string) error {
	switch {
	case len(args) == 1 && o.listen == listenDefault: // --listen ADDRESS, without =
		o.listen = args[0]
	case len(args) > 0 || o.file != "":
		return &usageError{err: errors.New("--listen takes no statement")}
	}
	if a.flags.output == "csv" {
		return &usageError{err: errors.New("--output csv: --listen has no rows"), hint: "use text or json"}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &usageError{err: fmt.Errorf("--listen %q: want a loopback address such as %s", o.listen, listenDefault), hint: "other machines connect through SSH: `ssh -L 5432:127.0.0.1:5432 HOST`"}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &usageError{err: fmt.Errorf("--listen %s: another program listens there", o.listen), hint: "use --listen=127.0.0.1:0 for a free port"}
	}
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	defer l.Close() //nolint:errcheck // nothing to write
	server, err := newSQLServer(ctx, a, o)
	if err != nil {
		return err
	}
	server.options.Password = rand.Text()
	if server.options.TLS, err = sqlproxy.NewTLS(time.Now()); err != nil {
		return err
	}
	serving := server.With(server.options)
	host, portText, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	ready := sqlListening{
		Host: host, Port: port, Database: contract.DatabaseName, User: contract.RoleSQL, Password: server.options.Password, Version: server.Version(),
		URL: (&url.URL{Scheme: "postgresql", User: url.UserPassword(contract.RoleSQL, server.options.Password), Host: l.Addr().String(), Path: contract.DatabaseName}).String(),
	}
	err = a.printResult(ready, func() {
		a.printf("PostgreSQL %s, read-only, is ready at %s:\n\n  psql %q\n\n", ready.Version, l.Addr(), ready.URL)
		a.printf("host %s  port %d  database %s  user any  password %s\n", ready.Host, ready.Port, ready.Database, ready.Password)
		a.printf("The password is valid until Ctrl-C ends this command.\n")
	})
	if err != nil {
		return err
	}
	if err := serving.Serve(ctx, l); err != nil {
		return err
	}
	a.notef("Stopped. Running statements are canceled.")
	return nil
}
