// Package providertest is the conformance suite for what publishes key records:
// the shared layer of providers over each driver, or anything else with a
// Publish method.
//
// It is for tests; it imports the leaves, rotate/fault/faulttest and
// rotate/preflight/preflighttest.
package providertest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

// Publisher is what is tested, the port of package rotate.
type Publisher interface {
	Publish(ctx context.Context, rec dkim.TXT) error
}

// Answer is one TXT record as DNS serves it.
type Answer struct {
	Strings []string // octets, unescaped
	TTL     time.Duration
}

// Harness is a publisher together with the zone that it writes into.
type Harness struct {
	Publisher Publisher
	Zone      string // no final dot; may hold other records
	// Served returns the TXT records that the world is given at owner. It must
	// not ask the Publisher. It is called from several goroutines.
	Served func(t testing.TB, owner string) []Answer
	// AddTXT and AddCNAME plant a record past the Publisher; AddCNAME may be nil.
	AddTXT   func(t testing.TB, owner, value string)
	AddCNAME func(t testing.TB, owner, target string)
}

// Run runs the suite. Each test uses names of its own below _domainkey.
func Run(t *testing.T, h Harness) {
	t.Run("values", h.values)
	t.Run("replace", h.replace)
	t.Run("never absent", h.neverAbsent)
	t.Run("idempotent", h.idempotent)
	t.Run("neighbours", h.neighbours)
	t.Run("two records", h.twoRecords)
	t.Run("foreign", h.foreign)
	t.Run("beside a CNAME", h.besideCNAME)
	t.Run("at once", h.atOnce)
	t.Run("cancelled", h.cancelled)
	t.Run("bad input", h.badInput)
	t.Run("check changes nothing", h.check)
}

func (h Harness) txt(selector, value string) dkim.TXT {
	return dkim.TXT{Zone: h.Zone, Owner: selector + "._domainkey." + h.Zone, Value: value, TTL: time.Hour}
}

func (h Harness) publish(t testing.TB, rec dkim.TXT) {
	t.Helper()
	if err := h.Publisher.Publish(t.Context(), rec); err != nil {
		t.Fatalf("%v (hint: %s)", err, fault.HintOf(err))
	}
}

// only fails unless rec is served at its owner, alone, octet for octet (I3).
func (h Harness) only(t testing.TB, rec dkim.TXT) {
	t.Helper()
	got := h.Served(t, rec.Owner)
	if len(got) != 1 {
		t.Fatalf("%d TXT records at %s, want one: %q", len(got), rec.Owner, got)
	}
	if value := strings.Join(got[0].Strings, ""); value != rec.Value {
		t.Errorf("at %s:\n got %q\nwant %q", rec.Owner, value, rec.Value)
	}
	for _, s := range got[0].Strings {
		if len(s) > 255 {
			t.Errorf("a string of %d octets (RFC 1035 section 3.3.14)", len(s))
		}
	}
	if got[0].TTL != rec.TTL {
		t.Errorf("TTL %s, want %s", got[0].TTL, rec.TTL)
	}
}

// Record returns a key record whose p= stands for that of a key with n octets of
// DER: 294 for RSA 2048, 550 for RSA 4096, 32 for Ed25519.
func Record(seed string, n int) string {
	var der []byte
	for i := 0; len(der) < n; i++ {
		sum := sha256.Sum256(fmt.Append(nil, seed, i))
		der = append(der, sum[:]...)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der[:n])
}

// values: whatever a key record can hold arrives unchanged.
func (h Harness) values(t *testing.T) {
	long := strings.Repeat("0123456789", 90)
	for i, tc := range []struct{ name, value string }{
		{"RSA 2048, 410 octets", Record("a", 294)},
		{"RSA 4096, 754 octets", Record("b", 550)},
		{"Ed25519", Record("c", 32)},
		{"revoked", "v=DKIM1; k=rsa; p="},
		{"254 octets", long[:254]},
		{"255 octets", long[:255]},
		{"256 octets", long[:256]},
		{"510 octets", long[:510]},
		{"511 octets", long[:511]},
		{"quotes and backslashes in a note", `v=DKIM1; n="quoted" \ back\\slash \065 "; p=AAAA`},
		{"a quote at both ends", `"v=DKIM1; p=AAAA"`},
		{"a quote at the start", `"v=DKIM1; p=AAAA`},
		{"a quote at the end", `v=DKIM1; p=AAAA"`},
		{"a backslash at the end", `v=DKIM1; p=AAAA\`},
		{"what looks like a seam", `v=DKIM1; n=a" "b; p=AAAA`},
		{"escapes across a seam", long[:254] + `\"` + long[:254] + `"\` + `x`},
		{"zone file signs", `v=DKIM1; n=a;b(c)$d@e#f%g&h; p=AAAA`},
		{"spaces at the ends", ` v=DKIM1; p=AAAA `},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec := h.txt(fmt.Sprintf("value%d", i), tc.value)
			h.publish(t, rec)
			h.only(t, rec)
		})
	}
}

// replace: the new record takes the old one's place, with its TTL (I3).
func (h Harness) replace(t *testing.T) {
	rec := h.txt("replace", Record("old", 294))
	h.publish(t, rec)
	for i, value := range []string{Record("new", 294), Record("longer", 550), "v=DKIM1; k=rsa; p=", Record("again", 294)} {
		rec.Value, rec.TTL = value, time.Duration(i+1)*10*time.Minute
		h.publish(t, rec)
		h.only(t, rec)
	}
	rec.TTL = 2 * time.Hour
	h.publish(t, rec)
	h.only(t, rec)
}

// neverAbsent: while a record is replaced, one record is served all the time (I1, I3).
func (h Harness) neverAbsent(t *testing.T) {
	rec := h.txt("present", Record("0", 294))
	h.publish(t, rec)
	stop, watcher := make(chan struct{}), sync.WaitGroup{}
	var looks atomic.Int32
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			looks.Add(1)
			if got := h.Served(t, rec.Owner); len(got) != 1 {
				t.Errorf("%d TXT records served in between", len(got))
				return
			}
		}
	})
	for i := 0; i < 20 || looks.Load() < 5 && !t.Failed(); i++ { // the watcher may get no turn for a while
		rec.Value = Record(fmt.Sprint(i), 294)
		h.publish(t, rec)
	}
	close(stop)
	watcher.Wait()
}

// idempotent: after a crash the same record is published again (I7).
func (h Harness) idempotent(t *testing.T) {
	rec := h.txt("twice", Record("a", 294))
	for range 3 {
		h.publish(t, rec)
		h.only(t, rec)
	}
}

// neighbours: other names stay as they are (I6).
func (h Harness) neighbours(t *testing.T) {
	var all []dkim.TXT
	for _, selector := range []string{"n1", "n2", "n", "sub.n1", "xn1"} {
		rec := h.txt(selector, Record(selector, 294))
		all = append(all, rec)
		h.publish(t, rec)
	}
	foreign := h.txt("foreign", "somebody else's")
	h.AddTXT(t, foreign.Owner, foreign.Value)
	all[0].Value = Record("changed", 294)
	h.publish(t, all[0])
	for _, rec := range all {
		h.only(t, rec)
	}
	if got := h.Served(t, foreign.Owner); len(got) != 1 || strings.Join(got[0].Strings, "") != foreign.Value {
		t.Errorf("a foreign record has changed: %q", got)
	}
}

// twoRecords: of two records at the name one is left, ours, or the fault is
// Refused and both are as they were (I3, I6).
func (h Harness) twoRecords(t *testing.T) {
	rec := h.txt("two", Record("a", 294))
	h.AddTXT(t, rec.Owner, "first")
	h.AddTXT(t, rec.Owner, "second")
	before := h.Served(t, rec.Owner)
	if len(before) != 2 {
		t.Fatalf("two records were planted, %d are served", len(before))
	}
	err := h.Publisher.Publish(t.Context(), rec)
	if err == nil {
		h.only(t, rec)
		return
	}
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Refused {
		t.Errorf("kind %v of %v, want Refused", fault.KindOf(err), err)
	}
	sorted := cmp.Transformer("set", func(as []Answer) map[string]int {
		m := map[string]int{}
		for _, a := range as {
			m[strings.Join(a.Strings, "")]++
		}
		return m
	})
	if d := cmp.Diff(before, h.Served(t, rec.Owner), sorted); d != "" {
		t.Errorf("refused, and yet changed:\n%s", d)
	}
}

// foreign: what rec does not replace stands as it was, with a fault that is Refused; what it
// replaces gives way, and its own value conflicts with nothing: an attempt whose
// answer was lost is made again (I6, I7).
func (h Harness) foreign(t *testing.T) {
	theirs := h.txt("foreign-record", "v=DKIM1; n=theirs; p=AAAA")
	h.AddTXT(t, theirs.Owner, theirs.Value)
	rec := h.txt("foreign-record", Record("a", 294))
	rec.Replaces = func(string) bool { return false }
	err := h.Publisher.Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.ForeignRecord || fault.KindOf(err) != fault.Refused {
		t.Errorf("kind %v, code %q of %v; want a refusal with code foreign-record", fault.KindOf(err), fault.CodeOf(err), err)
	}
	if got := h.Served(t, theirs.Owner); len(got) != 1 || strings.Join(got[0].Strings, "") != theirs.Value {
		t.Errorf("refused, and yet changed: %q", got)
	}
	rec = h.txt("compared", Record("0", 294))
	nothing := func(string) bool { return false }
	rec.Replaces = nothing
	h.publish(t, rec)
	h.publish(t, rec)
	h.only(t, rec)
	rec.TTL = 30 * time.Minute
	h.publish(t, rec)
	h.only(t, rec)
	old := rec.Value
	rec.Value, rec.Replaces = "v=DKIM1; k=rsa; p=", func(v string) bool { return v == old }
	h.publish(t, rec)
	h.only(t, rec)

	// What came through the driver itself is compared too: another dkimbot may have written it.
	other := rec
	other.Value, other.Replaces = Record("b", 294), nothing
	if err := h.Publisher.Publish(t.Context(), other); fault.CodeOf(err) != codes.ForeignRecord ||
		fault.KindOf(err) != fault.Refused {
		t.Errorf("over a record that the state does not know: kind %v, code %q of %v; "+
			"want a refusal with code foreign-record", fault.KindOf(err), fault.CodeOf(err), err)
	}
	h.only(t, rec)
}

// besideCNAME: a record that would never be served is an error, not a success.
func (h Harness) besideCNAME(t *testing.T) {
	if h.AddCNAME == nil {
		return
	}
	rec := h.txt("alias", Record("a", 294))
	h.AddCNAME(t, rec.Owner, "elsewhere.example.org")
	err := h.Publisher.Publish(t.Context(), rec)
	faulttest.Shown(t, err)
	if err == nil || fault.KindOf(err) == fault.Transient {
		t.Errorf("publish beside a CNAME: %v; want a fault that lasts", err)
	}
	if got := h.Served(t, rec.Owner); len(got) != 0 {
		t.Errorf("served beside a CNAME: %q", got)
	}
}

// check: what is asked beforehand is answered, and changes nothing, whatever stands at the name (I11).
func (h Harness) check(t *testing.T) {
	c, ok := h.Publisher.(preflight.Checker)
	if !ok {
		t.Fatal("it can't be asked beforehand")
	}
	rec, foreign := h.txt("checked", Record("a", 294)), h.txt("check-foreign", "somebody else's")
	h.publish(t, rec)
	h.AddTXT(t, foreign.Owner, foreign.Value)
	for _, owner := range []string{rec.Owner, foreign.Owner, h.txt("check-none", "").Owner} {
		sub := preflight.Subject{Name: dkim.Name{Domain: h.Zone, Selector: "s1"}, Zone: h.Zone, Owner: owner}
		answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "provider",
			Questions: c.Check([]preflight.Subject{sub})}}, preflight.Usual)
		if err := preflighttest.Wrong(answers); err != nil || len(answers) == 0 {
			t.Errorf("%s: %d answers; %v", owner, len(answers), err)
		}
	}
	h.only(t, rec)
	if got := h.Served(t, foreign.Owner); len(got) != 1 || strings.Join(got[0].Strings, "") != foreign.Value {
		t.Errorf("a foreign record has changed: %q", got)
	}
	if got := h.Served(t, h.txt("check-none", "").Owner); len(got) != 0 {
		t.Errorf("%q is served where nothing stood", got)
	}
}

// atOnce: many publishers at a time don't disturb each other, nor two at one name.
func (h Harness) atOnce(t *testing.T) {
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			rec := h.txt(fmt.Sprintf("many%d", i/2), Record(fmt.Sprint(i/2), 294))
			if err := h.Publisher.Publish(t.Context(), rec); err != nil {
				t.Errorf("publish %s: %v", rec.Owner, err)
			}
		})
	}
	all.Wait()
	for i := range 8 {
		h.only(t, h.txt(fmt.Sprintf("many%d", i), Record(fmt.Sprint(i), 294)))
	}
}

// cancelled: a caller who has given up gets an answer, and nothing is begun.
func (h Harness) cancelled(t *testing.T) {
	rec := h.txt("cancelled", Record("a", 294))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := h.Publisher.Publish(ctx, rec)
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Transient {
		t.Errorf("%v, want a transient fault that wraps context.Canceled", err)
	}
	if got := h.Served(t, rec.Owner); len(got) != 0 {
		t.Errorf("published all the same: %q", got)
	}
}

// badInput: what can't be published as it is, is a lasting fault that names the
// record, and nothing is published.
func (h Harness) badInput(t *testing.T) {
	good := h.txt("bad", Record("a", 294))
	for name, change := range map[string]func(*dkim.TXT){
		"owner outside":         func(r *dkim.TXT) { r.Owner = "bad._domainkey.other.invalid" },
		"owner ends like it":    func(r *dkim.TXT) { r.Owner = "bad._domainkey.x" + h.Zone },
		"zone cut in a label":   func(r *dkim.TXT) { r.Zone = h.Zone[1:] },
		"wildcard":              func(r *dkim.TXT) { r.Owner = "*._domainkey." + h.Zone },
		"upper case":            func(r *dkim.TXT) { r.Owner = "BAD._domainkey." + h.Zone },
		"final dot":             func(r *dkim.TXT) { r.Owner += "." },
		"no zone":               func(r *dkim.TXT) { r.Zone = "" },
		"empty value":           func(r *dkim.TXT) { r.Value = "" },
		"line break":            func(r *dkim.TXT) { r.Value = "v=DKIM1;\n p=" },
		"other than ASCII":      func(r *dkim.TXT) { r.Value = "v=DKIM1; n=é; p=" },
		"no TTL":                func(r *dkim.TXT) { r.TTL = 0 },
		"TTL of half a second":  func(r *dkim.TXT) { r.TTL = 1500 * time.Millisecond },
		"TTL beyond RFC 2181":   func(r *dkim.TXT) { r.TTL = 1 << 31 * time.Second },
		"a name with a newline": func(r *dkim.TXT) { r.Owner = "bad\n._domainkey." + h.Zone },
	} {
		t.Run(name, func(t *testing.T) {
			rec := good
			change(&rec)
			err := h.Publisher.Publish(t.Context(), rec)
			if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), rec.Owner) {
				t.Errorf("%v, want a permanent fault that names %s", err, rec.Owner)
			}
			if got := h.Served(t, good.Owner); len(got) != 0 {
				t.Errorf("published all the same: %q", got)
			}
		})
	}
}
