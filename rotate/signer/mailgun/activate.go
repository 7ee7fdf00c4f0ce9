package mailgun

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

func sorted(k keys) []string { return slices.Sorted(maps.Keys(k)) }

// Activate makes each key the only active one of its domain; see the package documentation for how. One domain's
// fault does not stop the others: the error is then a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, all []dkim.SigningKey) error {
	if len(all) == 0 {
		return nil
	}
	b := signer.NewBatch(s.cfg.Name, all, s.fits)
	s.one.Lock()
	defer s.one.Unlock()
	seen := map[string]keys{}
	for _, k := range b.Keys {
		have, err := s.give(ctx, b.What(k.Name), k)
		if err != nil {
			b.Fail(k.Name, err)
		}
		if seen[k.Domain] = have; ctx.Err() != nil {
			return fault.Interrupted(b.What(k.Name), context.Cause(ctx))
		}
	}
	b.Drop()
	s.await(ctx, b, seen)
	for _, k := range b.Keys {
		if err := s.alone(ctx, b.What(k.Name), k, seen[k.Domain]); err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
	return b.Err()
}

// fits refuses keys of a kind that Mailgun does not take.
func (s *Signer) fits(k dkim.SigningKey) error {
	kind := dkim.RecordAlgorithm(k.Record)
	if k.Key != nil {
		kind = k.Key.Public().Algorithm()
	}
	switch kind {
	case "", dkim.RSA2048, "rsa1024":
		return nil
	}
	return fault.Lasting(fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
		fmt.Errorf("the Mailgun service takes RSA keys of 1024 or 2048 bits, and this is %s", kind),
		"write key: rsa2048 in the domain's policy, or let another signer sign the domain")
}

// give imports a key that Mailgun does not have, and returns the keys that it had.
func (s *Signer) give(ctx context.Context, what string, k dkim.SigningKey) (keys, error) {
	have, err := s.list(ctx, what, k.Domain)
	if err != nil {
		return nil, err
	}
	if have == nil {
		return nil, s.missing(what)
	}
	at, is := have[k.Selector]
	switch {
	case !is:
		return have, s.create(ctx, what, k)
	case at.ID == k.Key.ID():
		return have, nil
	case at.Active:
		return nil, fault.Refuse(codes.ForeignSignerLine, what+": another key of this selector is active in Mailgun, "+
			"which can't exchange it without a moment in which mail is not signed", "activate the other selector first")
	}
	return nil, fault.Refuse(codes.ForeignSignerLine, what+": Mailgun has another key at this selector, which dkimbot "+
		"did not retire", "see whose it is; if nobody needs it, delete it in Mailgun. It is not active")
}

// create imports a key. Whether a request whose answer was lost was carried out the list tells: an import that is
// repeated then is refused, since the selector has a key.
func (s *Signer) create(ctx context.Context, what string, k dkim.SigningKey) error {
	private, ok := k.Key.Signer().(*rsa.PrivateKey)
	if !ok {
		return fault.Lasting(what, errors.New("this is no RSA key"), "report this as a defect")
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private)}))
	form := url.Values{"signing_domain": {k.Domain}, "selector": {k.Selector}, "pem": {text}}
	a, err := s.call(ctx, endpoint.Call{What: what, Method: http.MethodPost, Path: "/v1/dkim/keys",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte(form.Encode()),
		Scrub: hiding(text)})
	made := item{}
	if err == nil && json.Unmarshal(a.Body, &made) == nil && made.id() == k.Key.ID() {
		return nil
	}
	have, lerr := s.list(ctx, what, k.Domain)
	switch at := have[k.Selector]; {
	case lerr == nil && at.ID == k.Key.ID():
		return nil
	case err != nil:
		return err
	case lerr != nil:
		return lerr
	}
	return fault.Temporary(what, errors.New("the Mailgun service took the key, and does not list it at its selector"),
		"see in Mailgun which keys the domain has; it is tried again by itself")
}

// hiding takes a key out of a text, also in the form in which it is sent.
func hiding(text string) func([]byte) []byte {
	sent := protocol.Request{Domains: []protocol.Entry{{PrivateKey: text}}}
	return func(said []byte) []byte {
		plain := unescaped(said)
		if clean := sent.Scrub(plain); !bytes.Equal(clean, plain) {
			return clean
		}
		return sent.Scrub(said)
	}
}

// escape is an octet in a form.
var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// unescaped reads what may be a form, or the beginning of one.
func unescaped(said []byte) []byte {
	return escape.ReplaceAllFunc(said, func(e []byte) []byte {
		octet, err := hex.DecodeString(string(e[1:]))
		if err != nil {
			return e
		}
		return octet
	})
}

// await activates the batch's keys, again until Mailgun has found their records, or patience ends.
func (s *Signer) await(ctx context.Context, b *signer.Batch, seen map[string]keys) {
	end := time.Now().Add(s.cfg.Patience)
	waiting := map[dkim.Name]error{}
	for _, k := range b.Keys {
		if !seen[k.Domain][k.Selector].Active {
			waiting[k.Name] = errors.New("not asked yet")
		}
	}
	for first := true; len(waiting) > 0; first = false {
		if !first {
			select {
			case <-time.After(s.poll):
			case <-ctx.Done():
			}
		}
		for _, k := range b.Keys {
			if waiting[k.Name] == nil {
				continue
			}
			final, err := s.set(ctx, b.What(k.Name), k.Name, true)
			if waiting[k.Name] = err; err == nil || final {
				delete(waiting, k.Name)
			}
			if final {
				b.Fail(k.Name, err)
			}
		}
		if ctx.Err() != nil || time.Now().After(end) {
			break
		}
	}
	for _, k := range b.Keys {
		if err := waiting[k.Name]; err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
}

// set activates or deactivates a key, and reports whether an error is one that waiting does not end.
func (s *Signer) set(ctx context.Context, what string, n dkim.Name, active bool) (final bool, err error) {
	verb := "deactivate"
	if active {
		verb = "activate"
	}
	a, err := s.call(ctx, endpoint.Call{What: what, Method: http.MethodPut, Path: path(n.Domain, n.Selector, verb)})
	if r := endpoint.RefusalOf(err); active && r != nil && r.Status >= 400 && r.Status < 500 &&
		r.Status != http.StatusUnauthorized && r.Status != http.StatusForbidden && r.Status != http.StatusTooManyRequests {
		return false, fault.Temporary(what, fmt.Errorf("the Mailgun service does not activate the key yet: %w", r),
			"wait: Mailgun must find the record; see that public DNS shows the record of "+n.Selector)
	}
	if err != nil {
		return fault.KindOf(err) != fault.Transient, err
	}
	var said struct {
		Selector string
		Active   *bool
	}
	if json.Unmarshal(a.Body, &said) != nil || said.Active == nil || *said.Active != active ||
		!strings.EqualFold(said.Selector, n.Selector) {
		return false, fault.Temporary(what,
			fmt.Errorf("the Mailgun service answers %s of selector %s with something else", verb,
				n.Selector),
			"see what answers at "+s.client.Host()+"; it is tried again by itself")
	}
	return false, nil
}

// alone deactivates the other keys of a domain, now that ours is active, and wants just ours to be listed as active.
func (s *Signer) alone(ctx context.Context, what string, k dkim.SigningKey, had keys) error {
	have := had
	for round := 0; ; round++ {
		for _, other := range have.active() {
			if other == k.Selector {
				continue
			}
			if _, err := s.set(ctx, what, dkim.Name{Domain: k.Domain, Selector: other}, false); err != nil {
				return err
			}
		}
		var err error
		if have, err = s.list(ctx, what, k.Domain); err != nil {
			return err
		}
		if at := have[k.Selector]; !at.Active || at.ID != k.Key.ID() {
			return fault.Temporary(what, errors.New("the Mailgun service does not list the key as active"),
				"see whether somebody else changes the domain's keys in Mailgun; it is tried again by itself")
		}
		if len(have.active()) == 1 {
			return nil
		}
		if round == 1 {
			return fault.Temporary(what, fmt.Errorf("the Mailgun service lists several active keys: selectors %s",
				strings.Join(have.active(), ", ")),
				"see whether somebody else changes the domain's keys in Mailgun; it is tried again by itself")
		}
	}
}
