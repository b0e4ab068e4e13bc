package sqlproxy

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	scramName = "SCRAM-SHA-256"
	// scramIterations is PostgreSQL's default. The password is random and lives as long
	// as the proxy.
	scramIterations = 4096
)

// errPassword is a login with a wrong password.
var errPassword = errors.New("wrong password")

// authenticate asks the client to prove that it knows the password (RFC 5802 and
// 7677), without channel binding. The password never crosses the connection.
func authenticate(back *pgproto3.Backend, password string) error {
	back.Send(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramName}})
	if err := back.Flush(); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if err := back.SetAuthType(pgproto3.AuthTypeSASL); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	message, err := back.Receive()
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	initial, ok := message.(*pgproto3.SASLInitialResponse)
	if !ok || initial.AuthMechanism != scramName {
		return fmt.Errorf("authenticate: unexpected message %T", message)
	}
	clientFirst, nonce, err := readClientFirst(string(initial.Data))
	if err != nil {
		return err
	}
	var random [18]byte
	var salt [16]byte
	if _, err := io.ReadFull(rand.Reader, random[:]); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if _, err := io.ReadFull(rand.Reader, salt[:]); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	encode := base64.StdEncoding.EncodeToString
	nonce += encode(random[:])
	serverFirst := fmt.Sprintf("r=%s,s=%s,i=%d", nonce, encode(salt[:]), scramIterations)
	back.Send(&pgproto3.AuthenticationSASLContinue{Data: []byte(serverFirst)})
	if err := back.Flush(); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if err := back.SetAuthType(pgproto3.AuthTypeSASLContinue); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	if message, err = back.Receive(); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	final, ok := message.(*pgproto3.SASLResponse)
	if !ok {
		return fmt.Errorf("authenticate: unexpected message %T", message)
	}
	signature, err := verify(password, salt[:], nonce, clientFirst, serverFirst, string(final.Data))
	if err != nil {
		return err
	}
	back.Send(&pgproto3.AuthenticationSASLFinal{Data: []byte("v=" + encode(signature))})
	return nil
}

// readClientFirst returns the part of the client's first message that both sides sign,
// and its nonce.
func readClientFirst(message string) (bare, nonce string, err error) {
	for _, header := range []string{"n,,", "y,,"} { // a client that could bind to a channel says y
		if rest, ok := strings.CutPrefix(message, header); ok {
			bare = rest
		}
	}
	for field := range strings.SplitSeq(bare, ",") {
		if value, ok := strings.CutPrefix(field, "r="); ok {
			nonce = value
		}
	}
	if nonce == "" {
		return "", "", errors.New("authenticate: invalid first message")
	}
	return bare, nonce, nil
}

// verify checks the client's proof and returns the server's signature.
func verify(password string, salt []byte, nonce, clientFirst, serverFirst, final string) (signature []byte, err error) {
	unsigned, proofText, ok := strings.Cut(final, ",p=")
	fields := strings.Split(unsigned, ",")
	if !ok || len(fields) < 2 || fields[0] != "c=biws" && fields[0] != "c=eSws" || fields[1] != "r="+nonce {
		return nil, errPassword
	}
	proof, err := base64.StdEncoding.DecodeString(proofText)
	if err != nil || len(proof) != sha256.Size {
		return nil, errPassword
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("authenticate: %w", err)
	}
	sign := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	signed := clientFirst + "," + serverFirst + "," + unsigned
	clientKey := sign(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	want := make([]byte, sha256.Size)
	subtle.XORBytes(want, clientKey, sign(stored[:], signed))
	if subtle.ConstantTimeCompare(want, proof) != 1 {
		return nil, errPassword
	}
	return sign(sign(salted, "Server Key"), signed), nil
}
