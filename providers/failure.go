package providers

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// failure is what a driver knows about an attempt that did not succeed. Publish
// makes a fault of it.
type failure struct {
	kind  fault.Kind
	code  codes.Code    // as in fault.Error
	hint  string        // as in fault.Error
	after time.Duration // the service asks to be left alone for so long
	login bool          // the service does not accept the credentials
	err   error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func transient(err error, hint string) *failure {
	return &failure{kind: fault.Transient, err: err, hint: hint}
}

func permanent(err error, hint string) *failure {
	return &failure{kind: fault.Permanent, err: err, hint: hint}
}

// notAccepted is the failure of credentials that the service does not accept.
func notAccepted(err error, hint string) *failure {
	return &failure{kind: fault.Permanent, err: err, hint: hint, login: true}
}

func refused(code codes.Code, err error, hint string) *failure {
	return &failure{kind: fault.Refused, code: code, err: err, hint: hint}
}

// failureOf finds what a driver knows in err's chain. Of an error that no driver
// has an opinion about, trying again is worth it: every attempt is idempotent.
func failureOf(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	var known *fault.Error // the zonefile module speaks of faults itself
	if errors.As(err, &known) {
		return &failure{kind: known.Kind, code: known.Code, hint: known.Hint, err: err}
	}
	return transient(err, "")
}

// fault says what happened to rec when that was attempted, in words that an operator can act upon.
func (p *Provider) fault(attempt string, rec dkim.TXT, err error) error {
	f := failureOf(err)
	hint := f.hint
	if hint == "" && f.kind == fault.Transient {
		hint = "trying again later can help; if it does not, see what the provider says about its health"
	}
	code := f.code
	if code == "" && f.kind == fault.Transient && errors.As(err, new(net.Error)) {
		code = codes.Unreachable
	}
	return &fault.Error{
		Kind: f.kind,
		Code: code,
		What: fmt.Sprintf("%s %s in zone %s through provider %s (%s)", attempt, rec.Owner, rec.Zone, p.name, p.driver),
		Hint: p.redact(hint),
		Err:  p.withoutSecrets(err),
	}
}

// withoutSecrets returns err, or if its text holds a secret, the rest of its
// text as a new error (I9): modules and services quote what they were given.
func (p *Provider) withoutSecrets(err error) error {
	text := fmt.Sprint(err)
	if clean := p.redact(text); clean != text {
		return errors.New(clean)
	}
	return err
}

func (p *Provider) redact(s string) string {
	for _, secret := range p.account.allSecrets() {
		s = strings.ReplaceAll(s, secret, "[secret]")
	}
	return s
}
