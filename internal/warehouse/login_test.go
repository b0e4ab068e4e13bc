package warehouse_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/streamctl/streamctl/internal/awshttp"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/daemon"
	"github.com/streamctl/streamctl/internal/local/pgserver"
	"github.com/streamctl/streamctl/internal/testkit/servers/postgres"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// certificate writes a self-signed certificate for localhost.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func TestLoginVerifiesTheServer(t *testing.T) {
	dir := t.TempDir()
	account, err := daemon.Unprivileged("postgres", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.PrivateDir(filepath.Join(dir, "tls"), account); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t, filepath.Join(dir, "tls"))
	bundle := filepath.Join(dir, "bundle.pem")
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := daemon.GiveTree(filepath.Join(dir, "tls"), account); err != nil {
		t.Fatal(err)
	}
	o := postgres.Options(filepath.Join(dir, "server"))
	o.Settings["ssl"], o.Settings["ssl_cert_file"], o.Settings["ssl_key_file"] = "on", cert, key
	server, err := pgserver.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop(context.WithoutCancel(t.Context()))
	if err := server.CreateRDS(t.Context(), postgres.Master, postgres.MasterPassword, contract.DatabaseName); err != nil {
		t.Fatal(err)
	}
	environment := func(host, bundle string) warehouse.Environment {
		return warehouse.Environment{
			Database: contract.Database{Host: host, Port: strconv.Itoa(server.Port), Name: contract.DatabaseName, User: contract.RoleOwner},
			AWS: aws.Config{Region: "eu-west-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}, nil
			})},
			Getenv: func(name string) string { return map[string]string{awshttp.BundleVariable: bundle}[name] },
		}
	}
	for name, c := range map[string]struct{ host, bundle, want string }{
		"trusted":          {"localhost", bundle, ""},
		"an unknown root":  {"localhost", "", "unknown authority"},
		"another host":     {"127.0.0.1", bundle, "doesn't contain any IP SANs"},
		"a missing bundle": {"localhost", filepath.Join(dir, "absent"), "read AWS_CA_BUNDLE"},
	} {
		db := environment(c.host, c.bundle).OpenAs(postgres.Master, postgres.MasterPassword)
		err := db.EnsureRoles(t.Context())
		if closeErr := db.Close(t.Context()); closeErr != nil {
			t.Error(closeErr)
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := server.AdmitRoles(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The server has no proxy that checks tokens, so this uses the owner's
	// password.
	owner := environment("localhost", bundle).OpenAs(contract.RoleOwner, server.Password(contract.RoleOwner))
	defer owner.Close(context.WithoutCancel(t.Context()))
	if _, err := owner.Migrate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestIAMPassword(t *testing.T) {
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret", SessionToken: "session"}, nil
	})
	token, err := warehouse.IAMPassword("db.example", "5432", "streamctl_loader", "eu-west-1", credentials)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse("https://" + token)
	if err != nil || u.Host != "db.example:5432" {
		t.Fatalf("token is %s, %v", token, err)
	}
	q := u.Query()
	if q.Get("Action") != "connect" || q.Get("DBUser") != "streamctl_loader" || q.Get("X-Amz-Expires") != "900" ||
		!strings.HasSuffix(q.Get("X-Amz-Credential"), "/eu-west-1/rds-db/aws4_request") || q.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("token is %s", token)
	}
}
