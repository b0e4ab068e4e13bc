package api

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"syscall"

	"github.com/streamctl/streamctl/internal/failure"
)

// NetworkError reports a host that can't be reached, or a response that breaks off.
type NetworkError struct {
	// Host is the requested host, with the port unless it is the scheme's default.
	Host string
	Err  error
}

func (e *NetworkError) Error() string { return "reach " + e.Host + ": " + Cause(e.Err) }

// Unwrap returns the cause.
func (e *NetworkError) Unwrap() error { return e.Err }

// Class implements failure.Classified.
func (e *NetworkError) Class() failure.Class { return failure.Network }

// Cause is the text of a network error's cause, without the URL.
func Cause(err error) string {
	if asked := (*url.Error)(nil); errors.As(err, &asked) {
		err = asked.Err
	}
	return err.Error()
}

// Hint depends on the type of the cause.
func (e *NetworkError) Hint() string {
	var op *net.OpError
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(e.Err, &op) && op.Op == "proxyconnect":
		return "the proxy is unreachable: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
	case errors.As(e.Err, &name) && name.IsNotFound:
		return "no such host: check its name and, for AWS, the region (--region, Region in variables.yaml, AWS_REGION); then this machine's DNS"
	case errors.As(e.Err, &name):
		return "the name can't be resolved: check this machine's network and DNS"
	case notTrusted(e.Err):
		return "the host's certificate isn't trusted: set AWS_CA_BUNDLE to a file with the authority of the proxy or endpoint (for --url: SSL_CERT_FILE), and check this machine's clock"
	case notTLS(e.Err):
		return "the host doesn't speak TLS: check the endpoint (http or https?) and HTTPS_PROXY"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "nothing listens there: check the endpoint (AWS_ENDPOINT_URL, endpoint_url in the AWS configuration, --url, STREAMCTL_URL), or start the server"
	case errors.As(e.Err, &timeout) && timeout.Timeout():
		return "the host doesn't answer: check this machine's network, VPN and firewall"
	}
	return "check this machine's network, and run the same command again"
}

// Unreachable reports whether a call failed before the host received it, so that other
// calls will fail too: because of the name, the port, the certificate or the proxy.
func Unreachable(err error) bool {
	var op *net.OpError
	var name *net.DNSError
	return errors.As(err, &name) || notTrusted(err) || notTLS(err) ||
		errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect")
}

func notTrusted(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

func notTLS(err error) bool {
	var header tls.RecordHeaderError
	return errors.As(err, &header)
}
