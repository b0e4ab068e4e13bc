package awshttp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/streamctl/streamctl/internal/pause"
)

// Signer signs requests with AWS credentials (Signature Version 4).
type Signer struct {
	// Service is the service's name in signatures; empty means execute-api, the APIs of
	// API Gateway.
	Service     string
	Region      string
	Credentials aws.CredentialsProvider
	Clock       pause.Clock
}

// Sign adds the headers of a signature over r and its body.
func (s *Signer) Sign(ctx context.Context, r *http.Request, body []byte) error {
	credentials, err := s.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, r, hex.EncodeToString(sum[:]), cmp.Or(s.Service, "execute-api"), s.Region, s.Clock.Now()); err != nil {
		return fmt.Errorf("sign request: %w", err)
	}
	return nil
}
