package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// asker exchanges signed messages with one server over TCP, so that it sees what
// the key's owner sees and answers can't be cut short. It believes no answer that the key
// did not sign.
type asker struct {
	server string
	key    tsigKey
}

type tsigKey struct{ name, algorithm, secret string }

// answerTime bounds the wait for one answer. Servers that write a journal to a busy
// disk take seconds.
const answerTime = 10 * time.Second

// query returns the server's answer, whatever its code.
func (a asker) query(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	m.RecursionDesired = false
	return a.exchange(ctx, m)
}

// exchange signs m, sends it and returns the answer. When the server does not accept the
// key, the error is a *tsigError; when the answer is not signed as it should be, an
// *unsignedError. It ends with ctx.
func (a asker) exchange(ctx context.Context, m *dns.Msg) (*dns.Msg, error) {
	c := dns.Client{Net: "tcp", Timeout: answerTime, TsigSecret: map[string]string{a.key.name: a.key.secret}}
	conn, err := c.DialContext(ctx, a.server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	m.SetTsig(a.key.name, a.key.algorithm, 300, time.Now().Unix())
	answer, _, err := c.ExchangeWithConnContext(ctx, m, conn)
	if answer == nil {
		return nil, err
	}
	return a.believe(answer, err)
}

// believe returns the answer if the key signed it. The module verifies a signature that is
// there and misses none that is not, so anybody on the way could say what he likes. That a
// server does not know the key, it can't sign (RFC 8945 section 5.3): this is reported
// as what it is, never taken for success.
func (a asker) believe(answer *dns.Msg, err error) (*dns.Msg, error) {
	t := answer.IsTsig()
	if answer.Rcode == dns.RcodeNotAuth && t != nil && t.Error != 0 {
		return nil, &tsigError{code: t.Error, server: a.server, key: a.key, unsigned: err != nil || t.MACSize == 0}
	}
	for _, bad := range []error{dns.ErrSig, dns.ErrTime, dns.ErrSecret, dns.ErrKey, dns.ErrKeyAlg, dns.ErrNoSig} {
		if errors.Is(err, bad) {
			return nil, &unsignedError{server: a.server, answer: answer, how: "its signature does not verify (" +
				err.Error() + ")"}
		}
	}
	if errors.Is(err, dns.ErrAuth) { // the library verifies no signature of a NOTAUTH
		return nil, &unsignedError{server: a.server, answer: answer, how: "its signature can't be verified"}
	}
	if err == nil && t == nil {
		return nil, &unsignedError{server: a.server, answer: answer, how: "it is not signed with the key " + a.key.name}
	}
	return answer, err
}

// rcodeName returns what people call a code; a server may make up some.
func rcodeName(code int) string { return cmp.Or(dns.RcodeToString[code], fmt.Sprintf("code %d", code)) }

// unsignedError says that an answer came which the server may not have given. Servers
// sign no answer about a zone that they don't have, so it may serve to explain a failure.
type unsignedError struct {
	server string
	answer *dns.Msg
	how    string
}

func (e *unsignedError) Error() string {
	return fmt.Sprintf("the answer from %s (%s) is not trusted: %s", e.server, rcodeName(e.answer.Rcode), e.how)
}

func (e *unsignedError) failure() *failure {
	f := permanent(e, fmt.Sprintf("let the provider's server be the name server itself, with TSIG: "+
		"what answers at %s is something else, or something on the way changes answers; "+
		"the record may have been changed nevertheless", e.server))
	f.code = codes.UnsignedAnswer
	return f
}

// tsigError says that the server does not accept the key (RFC 8945 section 5.3).
type tsigError struct {
	code     uint16
	server   string
	key      tsigKey
	unsigned bool // the answer that says so is not signed
}

func (e *tsigError) Error() string {
	text := fmt.Sprintf("the server at %s does not accept the key %s: %s", e.server, e.key.name, rcodeName(int(e.code)))
	if e.unsigned {
		text += " (the answer is not signed)"
	}
	return text
}

// hint tells the three reasons apart that read the same by their code.
func (e *tsigError) hint() string {
	switch int(e.code) {
	case dns.RcodeBadKey:
		return fmt.Sprintf("the server has no key of the name %s with algorithm %s: "+
			"compare key_name and key_algorithm with its configuration", e.key.name, e.key.algorithm)
	case dns.RcodeBadSig: // BADVERS shares its number
		return fmt.Sprintf("the secret of key %s is another one at the server: "+
			"compare it with the server's configuration", e.key.name)
	case dns.RcodeBadTime:
		return "the clocks of this machine and of the name server differ by more than five minutes: set them"
	}
	return "compare the key with the server's configuration"
}
