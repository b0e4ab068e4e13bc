package awshttp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEmbeddedRootsAreReadableAndValid(t *testing.T) {
	soon := time.Now().AddDate(2, 0, 0)
	for name, want := range map[string]struct {
		pem   []byte
		count int
	}{"rds": {rdsRoots, 81}, "amazon": {amazonRoots, 5}} {
		count := 0
		for block, rest := pem.Decode(want.pem); block != nil; block, rest = pem.Decode(rest) {
			count++
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Errorf("%s, certificate %d: %v", name, count, err)
				continue
			}
			if !cert.IsCA || cert.CheckSignatureFrom(cert) != nil {
				t.Errorf("%s: %s is not a root", name, cert.Subject)
			}
			if cert.NotAfter.Before(soon) {
				t.Errorf("%s: %s expires on %s: find its successor", name, cert.Subject, cert.NotAfter.Format(time.DateOnly))
			}
		}
		if count != want.count {
			t.Errorf("%s: %d certificates, want %d", name, count, want.count)
		}
	}
}

func TestCovers(t *testing.T) {
	for region, want := range map[string]bool{"us-east-1": true, "ap-southeast-4": true, "us-gov-west-1": false, "cn-north-1": false, "us-east": false, "": false} {
		if got := HasRootsOf(region); got != want {
			t.Errorf("%q: %t", region, got)
		}
	}
}

func TestPoolTakesBundle(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "good.pem"), filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": "unknown authority", good: "", empty: "no certificate", filepath.Join(dir, "absent"): "no such file"} {
		pool, err := Roots(func(name string) string { return map[string]string{BundleVariable: path}[name] })
		if err == nil {
			_, err = cert.Verify(x509.VerifyOptions{Roots: pool})
		}
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error is %v, want %q", path, err, want)
		}
	}
}

func BenchmarkPool(b *testing.B) {
	for b.Loop() {
		if _, err := Roots(func(string) string { return "" }); err != nil {
			b.Fatal(err)
		}
	}
}
