// Package trust holds the certificate authorities that the functions trust
// when they connect to the warehouse and the cache. Lambda's own list lacks
// those of Amazon RDS.
package trust

import (
	"crypto/x509"
	_ "embed" // the roots
	"errors"
	"fmt"
	"os"
)

// Both files say at the top where their certificates come from.
var (
	//go:embed roots/rds.pem
	rdsRoots []byte
	//go:embed roots/amazon.pem
	amazonRoots []byte
)

// BundleVariable names a PEM file whose certificates are trusted too; the AWS
// SDKs read the same variable.
const BundleVariable = "AWS_CA_BUNDLE"

// Pool gives the embedded roots, and those of the file that BundleVariable
// names when it is set.
func Pool(getenv func(string) string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, pem := range [][]byte{rdsRoots, amazonRoots} {
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("read embedded roots: no certificate")
		}
	}
	path := getenv(BundleVariable)
	if path == "" {
		return pool, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", BundleVariable, err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read %s: no certificate in %s", BundleVariable, path)
	}
	return pool, nil
}
