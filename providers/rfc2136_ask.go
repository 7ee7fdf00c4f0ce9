package providers

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// asker queries one server with signed messages over TCP, so that it sees what
// the key's owner sees and answers can't be cut short.
type asker struct {
	server string
	key    tsigKey
}

type tsigKey struct{ name, algorithm, secret string }

// query returns the server's answer, whatever its code. When the server does
// not accept the key, the error is a *tsigError. Unlike the module, it ends with ctx.
func (a asker) query(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	c := dns.Client{Net: "tcp", Timeout: 5 * time.Second, TsigSecret: map[string]string{a.key.name: a.key.secret}}
	conn, err := c.DialContext(ctx, a.server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.RecursionDesired = false
	m.SetTsig(a.key.name, a.key.algorithm, 300, time.Now().Unix())
	answer, _, err := c.ExchangeWithConnContext(ctx, m, conn)
	if answer != nil && answer.Rcode == dns.RcodeNotAuth {
		if t := answer.IsTsig(); t != nil && t.Error != 0 {
			return nil, &tsigError{code: t.Error, server: a.server, key: a.key}
		}
	}
	return answer, err
}

// tsigError says that the server does not accept the key (RFC 8945 section 5.3).
type tsigError struct {
	code   uint16
	server string
	key    tsigKey
}

func (e *tsigError) Error() string {
	return fmt.Sprintf("the server at %s does not accept the key %s: %s", e.server, e.key.name, dns.RcodeToString[int(e.code)])
}

// hint tells the three reasons apart that read the same to the module.
func (e *tsigError) hint() string {
	switch int(e.code) {
	case dns.RcodeBadKey:
		return fmt.Sprintf("the server has no key of the name %s with algorithm %s: compare key_name and key_algorithm with its configuration", e.key.name, e.key.algorithm)
	case dns.RcodeBadSig: // BADVERS shares its number
		return fmt.Sprintf("the secret of key %s is another one at the server: compare it with the server's configuration", e.key.name)
	case dns.RcodeBadTime:
		return "the clocks of this machine and of the name server differ by more than five minutes: set them"
	}
	return "compare the key with the server's configuration"
}
