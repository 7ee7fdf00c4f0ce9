package observe_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/observe"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// memory is a signer that signs a.example, and has lost the lines of all domains.
type memory struct{}

func (memory) Active(context.Context, []string) (map[string]dkim.Ref, error) {
	return map[string]dkim.Ref{"a.example": {Name: dkim.Name{Domain: "a.example", Selector: "s1"}, KeyID: "k"}}, nil
}

func (memory) Unkept(_ context.Context, signs map[string]dkim.Ref) map[string]string {
	out := map[string]string{}
	for d := range signs {
		out[d] = "it signs with what it has read"
	}
	return out
}

// TestUnkept: what a signer needs at its next start is said of domains that it signs, and of no others.
func TestUnkept(t *testing.T) {
	for domain, want := range map[string]bool{"a.example": true, "b.example": false} {
		seen, err := observe.Ask("mx1", memory{}).Call(t.Context(), dkim.SigningKey{Name: dkim.Name{Domain: domain}})
		if err != nil || (seen.Unkept != "") != want {
			t.Errorf("%s: %q, %v", domain, seen.Unkept, err)
		}
	}
}

// picky is a signer that refuses keys, and whose files hold lines of others.
type picky struct {
	memory
	each, whichever error
}

func (p picky) Screen(context.Context, []dkim.SigningKey) (map[string]error, error) {
	return map[string]error{"a.example": p.each}, p.whichever
}

func (picky) Overruled(context.Context, []string) map[string]string {
	return map[string]string{"a.example": "line 3 of the table"}
}

// TestWhatASignerRefuses: of a key that a signer can't use is said to which selector a switch is refused; of a signer
// that no switch can change, that none is possible, whatever the key. What may pass by itself is not said, nor that
// a switch to one selector is refused where it is not.
func TestWhatASignerRefuses(t *testing.T) {
	key := fault.Refuse(codes.NotAllowed, "use this key", "make another")
	all := fault.Refuse(codes.NotAllowed, "write the table", "allow it")
	passing := fault.Temporary("ask it", errors.New("no answer"), "run it again")
	for title, tt := range map[string]struct {
		each, whichever, want error
		only                  string
	}{
		"nothing":           {nil, nil, nil, ""},
		"the key":           {key, nil, key, "s2"},
		"every key":         {nil, all, all, ""},
		"every key, and it": {key, all, all, ""},
		"what may pass":     {passing, passing, nil, ""},
	} {
		seen, err := observe.Ask("mx1", picky{each: tt.each, whichever: tt.whichever}).Call(t.Context(),
			dkim.SigningKey{Name: dkim.Name{Domain: "a.example", Selector: "s2"}})
		if err != nil || seen.Refuses != tt.want || seen.RefusesOnly != tt.only {
			t.Errorf("%s: it refuses %v of %q, %v", title, seen.Refuses, seen.RefusesOnly, err)
		}
		if seen.Overruled != "line 3 of the table" {
			t.Errorf("%s: the line that counts in the place of dkimbot's own is %q", title, seen.Overruled)
		}
	}
}

// slow is a signer that changes later, and sooner where it is hurried.
type slow struct{ memory }

func (slow) Activate(context.Context, []dkim.SigningKey) error { return nil }
func (slow) Lag() time.Duration                                { return time.Hour }
func (slow) Hasten(context.Context, []dkim.Ref) error          { return nil }
func (slow) HurriedLag() time.Duration                         { return time.Minute }

// TestHowLongAHurriedSwitchTakes: how long a hurried switch takes is noted of each signer that can be switched, so
// that a flight from a compromised key is not said to be done before (I2).
func TestHowLongAHurriedSwitchTakes(t *testing.T) {
	var seen rotate.Observation
	observe.Traits(&seen, []string{"mx1"}, map[string]ports.Signer{"mx1": slow{}})
	if lag, known := seen.Lags["mx1"]; lag != time.Minute || !known {
		t.Errorf("%v", seen.Lags)
	}
	observe.Traits(&seen, []string{"mx1"}, map[string]ports.SignerReader{"mx1": memory{}})
	if _, known := seen.Lags["mx1"]; known {
		t.Errorf("of a signer that is only read: %v", seen.Lags)
	}
}

// limited is a signer that takes RSA keys only.
type limited struct{ memory }

func (limited) RSAOnly() (why, remedy string) { return "it is old", "buy a new one" }

// TestWhichKeysASignerTakes: it is noted of each signer why it refuses Ed25519 keys, whichever key it is asked about, and
// also through what wraps it (I11).
func TestWhichKeysASignerTakes(t *testing.T) {
	var seen rotate.Observation
	observe.Traits(&seen, []string{"mx1", "mx2"}, map[string]ports.SignerReader{"mx1": limited{}, "mx2": memory{}})
	if seen.RSAOnly["mx1"] != "it is old" || seen.RSAOnly["mx2"] != "" {
		t.Errorf("%v", seen.RSAOnly)
	}
	observe.Traits(&seen, []string{"mx2"}, map[string]ports.SignerReader{"mx2": ports.Wrapped{Signer: slow{}}})
	if seen.RSAOnly["mx2"] != "" {
		t.Errorf("wrapped: %v", seen.RSAOnly)
	}
}

// named is a signer that leaves its name where it writes.
type named struct {
	memory
	was *[]string
}

func (n named) KnownAs(was string) { *n.was = append(*n.was, was) }

// TestRecall guards I1 and I8: a signer is given the names that the state has of it, and not one that another signer has
// now, whose files are not touched.
func TestRecall(t *testing.T) {
	var mail, post []string
	st := rotate.State{Signers: rotate.Confirmations{"mail": {Was: "mx0 mx1"}, "post": {Was: "mail"}, "gone": {Was: "mx2"},
		"plain": {Was: "mx3"}}}
	observe.Recall(st, map[string]ports.SignerReader{"mail": named{was: &mail}, "post": named{was: &post}, "plain": memory{}})
	if !slices.Equal(mail, []string{"mx0", "mx1"}) || len(post) > 0 {
		t.Errorf("mail was %v, post was %v", mail, post)
	}
}

// tabled is a signer that signs by files.
type tabled struct {
	memory
	paths  []string
	before *[]string
}

func (s tabled) Tables() []string         { return s.paths }
func (s tabled) SignedBy(tables []string) { *s.before = append(*s.before, tables...) }

// TestTabled guards I1: the files by which a signer signs are noted when it says that it signs with what it confirmed, and
// said to it again; of one that does not answer, or signs otherwise, what was known stays.
func TestTabled(t *testing.T) {
	ref := dkim.Ref{Name: dkim.Name{Domain: "a.example", Selector: "s1"}, KeyID: "k"}
	sure := rotate.Confirmed{Selector: "s1", KeyID: "k", Tables: "/old"}
	unsure := sure
	unsure.Unsure = true
	var before []string
	signers := map[string]ports.SignerReader{"mx1": tabled{paths: []string{"/a", "/b"}, before: &before}, "mx2": memory{}}
	for name, c := range map[string]struct {
		known rotate.Confirmed
		seen  map[string]rotate.SignerSeen
		want  string
	}{
		"as it confirmed":       {sure, map[string]rotate.SignerSeen{"mx1": {Ref: ref}}, "/a\n/b"},
		"it does not answer":    {sure, map[string]rotate.SignerSeen{"mx1": {Ref: ref, Err: errors.New("down")}}, "/old"},
		"with another selector": {sure, map[string]rotate.SignerSeen{"mx1": {Ref: dkim.Ref{Name: dkim.Name{Selector: "s2"}, KeyID: "k"}}}, "/old"},
		"with another key":      {sure, map[string]rotate.SignerSeen{"mx1": {Ref: dkim.Ref{Name: ref.Name, KeyID: "k2"}}}, "/old"},
		"it is to confirm":      {unsure, map[string]rotate.SignerSeen{"mx1": {Ref: ref}}, "/old"},
		"it was not asked":      {sure, nil, "/old"},
		"it is a new one":       {rotate.Confirmed{Tables: "/old"}, nil, "/old"},
	} {
		st := rotate.State{Signers: rotate.Confirmations{"mx1": c.known, "mx2": sure}}
		observe.Tabled(&st, rotate.Observation{Signers: c.seen}, signers)
		if got := st.Signers["mx1"].Tables; got != c.want || st.Signers["mx2"].Tables != "/old" {
			t.Errorf("%s: %q", name, got)
		}
	}
	observe.Recall(rotate.State{Signers: rotate.Confirmations{"mx1": {}}}, signers)
	observe.Recall(rotate.State{Signers: rotate.Confirmations{"mx1": {Tables: "/x\n/y"}, "mx2": sure}}, signers)
	if !slices.Equal(before, []string{"/x", "/y"}) {
		t.Errorf("said again: %v", before)
	}
}
