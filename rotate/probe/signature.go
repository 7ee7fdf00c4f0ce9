package probe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Signature is one signature of a message.
type Signature struct {
	Field     string    // DKIM-Signature, ARC-Message-Signature, ARC-Seal or DKIM2-Signature
	Domain    string    // d=, as it stands there
	Selector  string    // s=
	Algorithm string    // a=
	Expires   time.Time // x=; zero when it does not expire
	Own       bool      // a DKIM-Signature of the domain that was asked about
	Checked   bool      // it was verified, or that was tried
	Fault     string    // why it does not verify; "" when it does
	KeyID     string    // of the key in DNS that it verifies with
	unseen    error     // DNS did not say which key there is
}

// Names of the fields.
const (
	dkimField  = "DKIM-Signature"
	arcField   = "ARC-Message-Signature"
	sealField  = "ARC-Seal" // RFC 8617 section 4.1.3: with a key of its own
	dkim2Field = "DKIM2-Signature"
)

// Bounds on what a message may carry.
const (
	mostSignatures = 20
	mostTag        = 253
)

// Records returns the TXT records that the authoritative servers show at a selector's name.
type Records func(ctx context.Context, name dkim.Name) ([]string, error)

// ErrUnchecked is returned by Records that ask no server.
var ErrUnchecked = errors.New("DNS is not asked (verify.mode none)")

// errForeign stands for a signature of another domain, which is not looked up.
var errForeign = errors.New("a signature of another domain is not verified")

// errBadSelector stands for a signature that names no key which DNS could show.
var errBadSelector = errors.New("its selector is not a name of letters, digits and hyphens, so DNS was not asked")

// signatures reads the signatures of a message of the domain. Its own are verified against DNS, or where that is not
// asked against the given key.
func signatures(ctx context.Context, message []byte, domain string, records Records,
	key dkim.PublicKey) ([]Signature, error) {
	var all []Signature
	var signs []*Signature
	fields, _ := cut(message)
	for _, f := range fields {
		if s, ok := read(f, domain); ok {
			all = append(all, s)
		}
	}
	for i := range all {
		if all[i].Field == dkimField {
			signs = append(signs, &all[i])
		}
	}
	if len(all) > mostSignatures {
		return all[:mostSignatures], fmt.Errorf("it carries %d signatures", len(all))
	}
	if len(signs) == 0 {
		return all, nil
	}
	return all, (&verification{domain: domain, records: records, key: key, seen: map[string]look{}}).verify(ctx,
		message, signs)
}

// read returns the signature in a field, if it has one.
func read(f field, domain string) (s Signature, ok bool) {
	for _, name := range []string{dkimField, arcField, sealField, dkim2Field} {
		if strings.EqualFold(f.name, name) {
			s.Field = name
		}
	}
	if s.Field == "" {
		return s, false
	}
	t := tags(f.value)
	short := func(name string) string { return oneLine(t[name][:min(len(t[name]), mostTag)]) }
	s.Domain, s.Selector, s.Algorithm = strings.ToLower(short("d")), strings.ToLower(short("s")), short("a")
	if s.Field == dkim2Field { // one signature is selector:algorithm:value
		if parts := strings.SplitN(t["s"], ":", 3); len(parts) == 3 {
			s.Selector, s.Algorithm = strings.ToLower(oneLine(parts[0])), oneLine(parts[1])
		}
	}
	if sec, err := strconv.ParseInt(t["x"], 10, 64); err == nil && sec > 0 && sec < 1<<40 {
		s.Expires = time.Unix(sec, 0).UTC()
	}
	s.Own = s.Field == dkimField && s.Domain == domain
	return s, true
}

// look is what DNS shows at a selector.
type look struct {
	id     string
	unseen error
}

// verification verifies the signatures of one message.
type verification struct {
	domain  string
	records Records
	key     dkim.PublicKey

	mu   sync.Mutex
	seen map[string]look // by selector
}

func (v *verification) verify(ctx context.Context, message []byte, signs []*Signature) error {
	if !bytes.Contains(message, []byte("\r\n")) {
		message = bytes.ReplaceAll(message, []byte("\n"), []byte("\r\n"))
	}
	results, err := msgauth.VerifyWithOptions(bytes.NewReader(message), &msgauth.VerifyOptions{
		MaxVerifications: mostSignatures,
		LookupTXT:        func(name string) ([]string, error) { return v.lookup(ctx, name) },
	})
	if err == nil && len(results) != len(signs) {
		err = fmt.Errorf("%d of %d signatures were verified", len(results), len(signs))
	}
	for i, s := range signs {
		if !s.Own {
			continue
		}
		seen := v.seen[s.Selector]
		why := err
		if err == nil {
			why = results[i].Err
		}
		s.Checked, s.unseen, s.KeyID = true, seen.unseen, seen.id
		if why != nil {
			s.Fault, s.KeyID = oneLine(strings.TrimPrefix(why.Error(), "dkim: ")), ""
		}
		if seen.unseen != nil {
			s.Checked, s.Fault = false, oneLine(seen.unseen.Error())
		}
	}
	return nil
}

// lookup returns the records at a name of the domain; others are not looked up. The library looks up several at once.
func (v *verification) lookup(ctx context.Context, name string) ([]string, error) {
	selector, ok := strings.CutSuffix(strings.ToLower(name), "._domainkey."+v.domain)
	n := dkim.Name{Domain: v.domain, Selector: selector}
	if !ok {
		return nil, errForeign
	}
	if n.Check() != nil {
		return nil, errBadSelector
	}
	values, err := v.records(ctx, n)
	if errors.Is(err, ErrUnchecked) && !v.key.IsZero() {
		values, err = []string{dkim.NewRecord(v.key, "").String()}, nil
	}
	l := look{unseen: err}
	if len(values) == 1 {
		record, _ := dkim.ParseRecord(values[0]) // of what is no record, no key
		l.id = record.Key.ID()
	}
	v.mu.Lock()
	v.seen[selector] = l
	v.mu.Unlock()
	if err == nil && len(values) != 1 {
		return values, fmt.Errorf("DNS shows %d records at %s", len(values), n)
	}
	return values, err
}

// String names a signature in a sentence: "s1 (rsa-sha256)".
func (s Signature) String() string {
	return fmt.Sprintf("%s (%s)", cmp.Or(s.Selector, "no selector"), cmp.Or(s.Algorithm, "no algorithm"))
}
