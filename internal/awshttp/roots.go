package awshttp

import (
	"crypto/x509"
	_ "embed" // the roots
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The certificate authorities that the functions trust when they connect to the
// warehouse and the cache. Lambda's own list lacks those of Amazon RDS. The
// source of the certificates is at the top of each file.
var (
	//go:embed roots/rds.pem
	rdsRoots []byte
	//go:embed roots/amazon.pem
	amazonRoots []byte
)

// BundleVariable is the environment variable with the path of a PEM file of
// additional trusted certificates; the AWS SDKs read the same variable.
const BundleVariable = "AWS_CA_BUNDLE"

// HasRootsOf reports whether the roots of Amazon RDS in a region are embedded.
// Without them the functions in that region can't verify the database.
func HasRootsOf(region string) bool {
	for block, rest := pem.Decode(rdsRoots); block != nil; block, rest = pem.Decode(rest) {
		root, err := x509.ParseCertificate(block.Bytes)
		if err == nil && strings.HasPrefix(root.Subject.CommonName, "Amazon RDS "+region+" Root CA") {
			return true
		}
	}
	return false
}

// Roots returns the embedded roots and, if BundleVariable is set, those in its
// file.
func Roots(getenv func(string) string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	for _, roots := range [][]byte{rdsRoots, amazonRoots} {
		if !pool.AppendCertsFromPEM(roots) {
			return nil, errors.New("read embedded roots: no certificate")
		}
	}
	path := getenv(BundleVariable)
	if path == "" {
		return pool, nil
	}
	bundle, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", BundleVariable, err)
	}
	if !pool.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("read %s: no certificate in %s", BundleVariable, path)
	}
	return pool, nil
}
