package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Time limits of servers.
const (
	dialTime  = 10 * time.Second
	loginTime = 30 * time.Second
)

// plainEnough reports whether a password may go to the host without TLS: to this machine, where no
// certificate is named.
func plainEnough(host, caFile string) bool { return settings.Loopback(host) && caFile == "" }

// tlsConfig is how a server is known. One on this machine is known by its address, unless its authority is named.
func tlsConfig(host, caFile string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: plainEnough(host, caFile)}
	if caFile == "" {
		return c, nil
	}
	data, err := safefile.Read(caFile, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(data) {
		return nil, errors.New("ca_file " + caFile + " holds no certificate")
	}
	return c, nil
}

// within closes a connection that is not ready for its purpose in time: the libraries for SMTP and IMAP set deadlines
// of their own, of minutes or none, in the place of any that is set before. over says whether it was closed.
func within(most time.Duration, conn net.Conn) (over func() bool) {
	var late atomic.Bool
	timer := time.AfterFunc(most, func() {
		late.Store(true)
		conn.Close()
	})
	return func() bool {
		timer.Stop()
		return late.Load()
	}
}

func encrypt(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	secure := tls.Client(conn, config)
	return secure, secure.HandshakeContext(ctx)
}

// scrubbed returns err without the password that a server may have repeated (I9), as it is or as a login has it.
func scrubbed(err error, username, password string) error {
	if err == nil || password == "" {
		return err
	}
	text := err.Error()
	clean := text
	plain := "\x00" + username + "\x00" + password // RFC 4616
	for _, secret := range []string{password, base64.StdEncoding.EncodeToString([]byte(password)),
		base64.StdEncoding.EncodeToString([]byte(plain))} {
		clean = strings.ReplaceAll(clean, secret, "(the password)")
	}
	if clean == text {
		return err
	}
	return errors.New(clean)
}
