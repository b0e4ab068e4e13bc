package local

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/local/daemon"
)

const (
	// pgpassFile is libpq's password file.
	pgpassFile = "pgpass"
	// redisPasswordFile holds the password of Valkey or Redis.
	redisPasswordFile = "redis-password"
)

// writePgpass writes the master user's password into a file for psql and
// returns the command that uses it.
func writePgpass(dir string, port int, user, password string) (string, error) {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	path := filepath.Join(dir, pgpassFile)
	line := strings.Join([]string{"127.0.0.1", strconv.Itoa(port), "*", escape(user), escape(password)}, ":") + "\n"
	if err := daemon.WriteFile(path, []byte(line), nil); err != nil {
		return "", err
	}
	return "PGPASSFILE=" + shellQuote(path) + " psql -h 127.0.0.1 -p " + strconv.Itoa(port) + " -U " + shellQuote(user) + " " + contract.DatabaseName, nil
}

// writeRedisPassword writes the password into a file and returns the command
// that reads it.
func writeRedisPassword(dir, addr, password string) (string, error) {
	path := filepath.Join(dir, redisPasswordFile)
	if err := daemon.WriteFile(path, []byte(password+"\n"), nil); err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	return `REDISCLI_AUTH="$(cat ` + shellQuote(path) + `)" redis-cli -p ` + port, nil
}

// shellQuote quotes a word for a shell if necessary.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
