package providers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// updater publishes by dynamic update (RFC 2136), under prerequisites: the server
// compares what stands at the name and changes it in one step, so that nothing is overwritten
// that dkimbot did not make (I6). What a server's code does not say is asked of it
// beside that: an unknown zone and a wrong key read the same.
type updater struct {
	server string
	ask    asker
}

// RFC2136 is a name server that takes dynamic updates signed by TSIG (RFC 8945).
type RFC2136 struct {
	Server       string          `json:"server"`        // host:port
	KeyName      string          `json:"key_name"`      // absolute, with the final dot
	KeyAlgorithm string          `json:"key_algorithm"` // "hmac-sha256" and the like
	Key          settings.Secret `json:"key"`           // base64, as in named.conf
}

func newRFC2136() *RFC2136 { return &RFC2136{KeyAlgorithm: "hmac-sha256"} }

// Driver names the kind of account.
func (c *RFC2136) Driver() Driver {
	return Driver{
		Name:    "rfc2136",
		Service: "the name server",
		Meaning: "a name server of your own that takes dynamic updates (RFC 2136), signed by TSIG",
	}
}

// Fields returns the keys of the driver.
func (c *RFC2136) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "key_algorithm",
			Into:    &c.KeyAlgorithm,
			Choices: []string{"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"},
			Meaning: "the algorithm of the TSIG key",
		},
		{
			Key:     "server",
			Into:    &c.Server,
			Need:    "write the address of the primary name server: 192.0.2.1:53",
			Form:    settings.Address("53"),
			Meaning: "the primary name server; port 53 unless it names another",
		},
		{
			Key:     "key_name",
			Into:    &c.KeyName,
			Need:    "write the name of the TSIG key, as the name server knows it",
			Form:    settings.Form{Name: "name", Parse: keyName},
			Meaning: "the name of the TSIG key",
		},
		{
			Key:     "key",
			Into:    &c.Key,
			Need:    "give key_file or key_env",
			Check:   tsigSecret,
			Meaning: "the secret of the TSIG key in base64, and nothing else",
		},
	}
}

func keyName(text string, _ settings.Place) (string, *settings.Problem) {
	name, err := dkim.ParseDomain(text)
	if err != nil {
		return "", settings.Wrong(
			"is not the name of a TSIG key",
			"write it as the name server has it: letters, digits, - and dots",
		)
	}
	return name + ".", nil
}

// tsigSecret catches a whole key file of BIND in the place of the bare secret.
func tsigSecret(text string) *settings.Problem {
	if raw, err := base64.StdEncoding.DecodeString(text); err != nil || len(raw) == 0 {
		return settings.Wrong(
			"the TSIG key is not base64",
			`of what tsig-keygen prints, use only what stands in quotes after "secret"`,
		)
	}
	return nil
}

// Open makes what publishes at the name server.
func (c *RFC2136) Open(_ context.Context, secrets settings.Secrets) (Adapter, error) {
	// Servers answer with the key's name in lower case, and the library then
	// fails to find the secret although the update was made.
	key := tsigKey{name: dns.CanonicalName(c.KeyName), algorithm: dns.Fqdn(c.KeyAlgorithm), secret: secrets.Of(&c.Key)}
	return &updater{server: c.Server, ask: asker{server: c.Server, key: key}}, nil
}

func (u *updater) Cost(string) int { return 1 }

func (u *updater) Set(ctx context.Context, rec dkim.TXT) error {
	there, done, err := u.read(ctx, rec)
	if err != nil || done || there.besides(rec) {
		return err
	}
	for _, m := range there.updates(rec) {
		answer, err := u.ask.exchange(ctx, m)
		switch {
		case err != nil:
			return u.explain(ctx, rec, err)
		case answer.Rcode == dns.RcodeSuccess:
			return nil
		case answer.Rcode != dns.RcodeYXRrset && answer.Rcode != dns.RcodeNXRrset:
			return u.explain(ctx, rec, &rcodeError{answer.Rcode})
		}
	}
	return u.conflict(ctx, rec)
}

// read asks what stands at the name, and whether the record stands there already, as it
// does after an attempt whose answer was lost.
func (u *updater) read(ctx context.Context, rec dkim.TXT) (there standing, done bool, err error) {
	answer, err := u.ask.query(ctx, rec.Owner, dns.TypeTXT)
	var bad *tsigError
	switch {
	case errors.As(err, &bad):
		return standing{}, false, notAccepted(err, bad.hint())
	case err != nil:
		return standing{}, false, nil // a server may take updates and no queries; the update will say
	}
	return standingIn(answer, rec.Owner), stands(answer, rec) && !u.synthesised(ctx, rec), nil
}

// synthesised reports whether a wildcard shows rec's very value at names below its own: then
// it may show it at rec's name too, where nothing stands (RFC 4592 section 4.2).
func (u *updater) synthesised(ctx context.Context, rec dkim.TXT) bool {
	below := rec
	below.Owner = "dkimbot-wildcard-test." + rec.Owner
	if _, ok := dns.IsDomainName(below.Owner); !ok {
		return false
	}
	answer, err := u.ask.query(ctx, below.Owner, dns.TypeTXT)
	return err == nil && stands(answer, below)
}

// conflict says what stands at the name that nothing may replace. The server has changed nothing.
func (u *updater) conflict(ctx context.Context, rec dkim.TXT) error {
	there, done, err := u.read(ctx, rec)
	foreign := there.foreign(rec)
	switch {
	case err != nil || done:
		return err
	case there.alias != "":
		return refused(
			codes.CNAME,
			fmt.Errorf("a CNAME to %s stands there, and a TXT record beside it would never be served", there.alias),
			"nothing was changed; let dkimbot publish at the CNAME's target, or, if a mail service signs by it, "+
				"leave it and name other selectors in the policy",
		)
	case len(foreign) > 0:
		return foreignRecord(foreign)
	case !there.answered:
		return foreignRecord(nil)
	}
	return transient(
		errors.New("what stands there changes while it is written to"),
		"find out what else writes there; nothing was changed",
	)
}

// foreignRecord is the refusal to replace what dkimbot did not make (I6).
func foreignRecord(values []string) *failure {
	err := errors.New("a record that dkimbot did not make stands there")
	if len(values) > 0 {
		err = fmt.Errorf("a record that dkimbot did not make stands there: %.80q", values)
	}
	return refused(
		codes.ForeignRecord,
		err,
		"find out who made it, and remove it if nothing needs it; nothing was changed",
	)
}

// rcodeError is an answer that refuses the update.
type rcodeError struct{ rcode int }

func (e *rcodeError) Error() string { return "the server answers " + rcodeName(e.rcode) }

// refusal returns the code with which the server refused an update, RcodeSuccess when it
// did not. Knot says of an update that it does not allow that the key is bad.
func refusal(err error) int {
	var code *rcodeError
	var unsigned *unsignedError
	var bad *tsigError
	switch {
	case errors.As(err, &code):
		return code.rcode
	case errors.As(err, &unsigned):
		return unsigned.answer.Rcode
	case errors.As(err, &bad):
		return dns.RcodeNotAuth
	}
	return dns.RcodeSuccess
}

// explain finds out why an update failed.
func (u *updater) explain(ctx context.Context, rec dkim.TXT, err error) error {
	var netError net.Error
	var unsigned, unsignedToo *unsignedError
	var bad *tsigError
	code := refusal(err)
	switch {
	case errors.As(err, &unsigned) && code == dns.RcodeSuccess:
		return unsigned.failure()
	case errors.As(err, &netError) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.EOF):
		return transient(
			err,
			fmt.Sprintf("check that the name server at %s runs and can be reached over TCP", u.server),
		)
	case code == dns.RcodeSuccess:
		return transient(err, "")
	}
	answer, askErr := u.ask.query(ctx, rec.Zone, dns.TypeSOA)
	if errors.As(askErr, &unsignedToo) {
		answer = unsignedToo.answer
	}
	switch {
	case errors.As(askErr, &bad):
		if err.Error() != askErr.Error() { // the same is said once
			err = fmt.Errorf("%w: %w", err, askErr)
		}
		return notAccepted(err, bad.hint())
	case code == dns.RcodeServerFailure, answer != nil && answer.Rcode == dns.RcodeServerFailure:
		return transient(
			err,
			fmt.Sprintf(
				"see the log of the name server at %s; a zone that can't be written, or a journal that does not fit, reads so",
				u.server,
			),
		)
	case answer != nil && !authoritative(answer, rec.Zone):
		return permanent(
			fmt.Errorf("%w: the server at %s is not authoritative for zone %s", err, u.server, rec.Zone),
			fmt.Sprintf(
				"let the provider's server be the primary of %s, or give the domain the right provider or zone",
				rec.Zone,
			),
		)
	case unsigned != nil && unsignedToo != nil:
		return unsigned.failure()
	case code == dns.RcodeRefused, code == dns.RcodeNotAuth:
		return permanent(
			fmt.Errorf("%w: the server knows the key and the zone, and does not allow this update", err),
			fmt.Sprintf(
				"allow it, for BIND: update-policy { grant %s %s TXT; }; where that stands already, "+
					"the zone may be frozen, as the server's log says then: rndc thaw %s (for Knot: knotc zone-thaw %s)",
				u.ask.key.name,
				names(rec.Owner),
				rec.Zone,
				rec.Zone,
			),
		)
	}
	return transient(err, "")
}

// names are those that a grant is for, as BIND writes them: of all selectors, or of the place that a CNAME leads to.
func names(owner string) string {
	if _, domain, ok := strings.Cut(owner, "._domainkey."); ok { // the domain may lie below its zone
		return "wildcard *._domainkey." + domain
	}
	return "name " + owner
}

// alias returns where a CNAME at owner leads, or "".
func alias(m *dns.Msg, owner string) string {
	for _, rr := range m.Answer {
		if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == owner+"." {
			return strings.TrimSuffix(c.Target, ".")
		}
	}
	return ""
}

// stands reports whether the server shows rec and nothing else.
func stands(m *dns.Msg, rec dkim.TXT) bool {
	if !m.Authoritative || m.Truncated || m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 ||
		m.Answer[0].Header().Class != dns.ClassINET {
		return false
	}
	t, ok := m.Answer[0].(*dns.TXT)
	return ok && dns.CanonicalName(t.Hdr.Name) == rec.Owner+"." &&
		int64(t.Hdr.Ttl) == int64(rec.TTL.Seconds()) && joined(t) == rec.Value
}

// joined returns the value as octets; the library keeps strings escaped.
func joined(t *dns.TXT) string {
	return unquoteTXT(`"` + strings.Join(t.Txt, "") + `"`)
}

func authoritative(m *dns.Msg, zone string) bool {
	return m.Authoritative && slices.ContainsFunc(m.Answer, func(rr dns.RR) bool {
		_, ok := rr.(*dns.SOA)
		return ok && dns.CanonicalName(rr.Header().Name) == zone+"."
	})
}
