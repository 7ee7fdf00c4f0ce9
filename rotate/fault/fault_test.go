package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestKindHintCode(t *testing.T) {
	var (
		plain     = errors.New("plain")
		transient = Temporary("ask", plain, "wait")
		permanent = Lasting("write", plain, "make room")
		refused   = Refuse("foreign-record", "publish", "remove it")
		bare      = &Error{What: "bare", Kind: Transient}
		wrap      = func(err error) error { return fmt.Errorf("wrapped: %w", err) }
		none      *Error
	)
	tests := []struct {
		name string
		err  error
		kind Kind
		hint string
		code string
	}{
		{"nil", nil, Transient, "", ""},
		{"plain", plain, Transient, "", ""},
		{"cancelled", wrap(context.Canceled), Transient, "", ""},
		{"transient", transient, Transient, "wait", ""},
		{"permanent", permanent, Permanent, "make room", ""},
		{"refused", refused, Refused, "remove it", "foreign-record"},
		{"wrapped", wrap(wrap(refused)), Refused, "remove it", "foreign-record"},
		{"the outer kind counts", Lasting("save", transient, ""), Permanent, "wait", ""},
		{"the outer hint counts", Temporary("save", wrap(refused), "do this"), Transient, "do this", "foreign-record"},
		{"hint and code far within", Lasting("a", wrap(&Error{What: "b", Err: wrap(refused)}), ""), Permanent, "remove it",
			"foreign-record"},
		{"joined, alone", errors.Join(refused), Refused, "remove it", "foreign-record"},
		{"joined, alike", errors.Join(refused, wrap(refused)), Refused, "remove it", "foreign-record"},
		{"joined with plain errors", errors.Join(plain, permanent, plain), Permanent, "make room", ""},
		{"joined, first without hint", errors.Join(bare, transient), Transient, "wait", ""},
		{"joined, code in the second", errors.Join(transient, refused), Permanent, "wait", "foreign-record"},
		{"joined, refused and transient", errors.Join(refused, transient), Permanent, "remove it", "foreign-record"},
		{"joined, transient and permanent", errors.Join(transient, permanent), Permanent, "wait", ""},
		{"joined, permanent last of three", errors.Join(transient, plain, transient, permanent), Permanent, "wait", ""},
		{"joined deep", wrap(errors.Join(plain, wrap(errors.Join(plain, wrap(refused))))), Refused, "remove it",
			"foreign-record"},
		{"joined within a fault", &Error{What: "many", Kind: Transient, Err: errors.Join(bare, wrap(refused))}, Transient,
			"remove it", "foreign-record"},
		{"two %w", fmt.Errorf("%w and %w", plain, permanent), Permanent, "make room", ""},
		{"nil fault in an error", wrap(error(none)), Transient, "", ""},
		{"nil fault, joined", errors.Join(none, refused), Refused, "remove it", "foreign-record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind {
				t.Errorf("KindOf = %v, want %v", got, tt.kind)
			}
			if got := HintOf(tt.err); got != tt.hint {
				t.Errorf("HintOf = %q, want %q", got, tt.hint)
			}
			if got := CodeOf(tt.err); string(got) != tt.code {
				t.Errorf("CodeOf = %q, want %q", got, tt.code)
			}
		})
	}
}

func TestError(t *testing.T) {
	cause := errors.New("no route")
	err := Temporary("publish s1._domainkey.example.com through provider office", cause, "check the network")
	if got, want := err.Error(), "publish s1._domainkey.example.com through provider office: no route"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if got := Refuse("lost-state", "rotate example.com", "adopt it").Error(); got != "rotate example.com" {
		t.Errorf("Error = %q", got)
	}
}

// A long chain is walked once, not once for each of its links.
func TestLongChains(t *testing.T) {
	err := Refuse("deep", "x", "hint")
	for range 10_000 {
		err = errors.Join(errors.New("other"), &Error{What: "x", Err: err})
	}
	if HintOf(err) != "hint" || CodeOf(err) != "deep" {
		t.Error("the innermost fault is not found")
	}
}

func TestKindString(t *testing.T) {
	if got := fmt.Sprint(Permanent, Transient, Refused, Kind(7)); got != "permanent transient refused Kind(7)" {
		t.Error(got)
	}
}

// However much DNS, a provider or a program answers: no error says more than a few kilobytes.
func TestTextIsBounded(t *testing.T) {
	long := errors.New(strings.Repeat("ä", 50_000) + "the end")
	var err error = long
	for range 20 {
		err = Temporary("look", err, "look again")
	}
	for _, text := range []string{Text(long), err.Error(), Text(errors.Join(err, err)), Text(fmt.Errorf("x: %w", err))} {
		if len(text) > maxText+200 || !strings.HasSuffix(text, "the end") || !strings.Contains(text, "octets are left out") ||
			!utf8.ValidString(text) {
			t.Errorf("%d octets: %.40q ... %q", len(text), text, text[max(0, len(text)-40):])
		}
	}
	if got := Text(errors.New("short")); got != "short" {
		t.Error(got)
	}
}
