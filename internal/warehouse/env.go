package warehouse

import (
	"context"
	"crypto/tls"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/jackc/pgx/v5"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
)

// Environment is a function's connection to the warehouse. Its logins verify
// the server's name against the trusted certificate authorities. These are read
// when the first connection is made, because parsing them takes milliseconds
// that would delay a cold start.
type Environment struct {
	Database contract.Database
	// AWS has the region and the credentials that sign tokens.
	AWS    aws.Config
	Getenv func(string) string
}

// Open returns a DB that logs in as Database.User, with a new IAM token for
// each connection.
func (e Environment) Open() *DB {
	d := e.Database
	return e.open(d.User, IAMPassword(d.Host, d.Port, d.User, e.AWS.Region, e.AWS.Credentials))
}

// OpenAs returns a DB that logs in with a password.
func (e Environment) OpenAs(user, password string) *DB {
	return e.open(user, func(context.Context) (string, error) { return password, nil })
}

func (e Environment) open(user string, password func(context.Context) (string, error)) *DB {
	d := e.Database
	l := Login{Host: d.Host, Port: d.Port, Database: d.Name, User: user, Password: password}
	return &DB{pace: defaultPace(), connect: func(ctx context.Context) (*pgx.Conn, error) {
		if l.TLS == nil {
			pool, err := awshttp.Roots(e.Getenv)
			if err != nil {
				return nil, err
			}
			l.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: d.Host, RootCAs: pool}
		}
		return l.Connect(ctx)
	}}
}
