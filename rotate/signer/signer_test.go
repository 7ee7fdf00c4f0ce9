package signer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

func TestPartial(t *testing.T) {
	if err := Partial(nil, 3); err != nil {
		t.Errorf("no failure: %v", err)
	}
	one := fault.Refuse("foreign-signer-line", "a failed", "remove it")
	if err := Partial(map[string]error{"a": one}, 1); err != one {
		t.Errorf("a batch of one: %v", err)
	}
	failed := map[string]error{"a": one}
	for i := range 9 {
		failed[fmt.Sprintf("b%d", i)] = errors.New("oops")
	}
	err := fmt.Errorf("wrapped: %w", Partial(failed, 20))
	var p interface{ FailedDomains() map[string]error }
	if !errors.As(err, &p) || len(p.FailedDomains()) != 10 {
		t.Fatalf("FailedDomains is not found in %v", err)
	}
	if fault.CodeOf(err) != "foreign-signer-line" || fault.KindOf(err) != fault.Refused || !errors.Is(err, one) {
		t.Errorf("code %q, kind %v", fault.CodeOf(err), fault.KindOf(err))
	}
	if text := err.Error(); !strings.Contains(text, "10 of the domains failed: a failed; oops; oops; and 7 more") {
		t.Errorf("text: %s", text)
	}
}

// TestCounting: a line of others that counts in the place of dkimbot's own is named (I6).
func TestCounting(t *testing.T) {
	if err := Counting("ex", nil, 2); err != nil {
		t.Error(err)
	}
	faulttest.Shown(t, Counting("ex", map[string]string{
		"a.example": "line 3 of /etc/exim4/dkim.table, which dkimbot did not write, counts"}, 2))
}

// TestNames: a signer has had each name that was given to it, and no other one.
func TestNames(t *testing.T) {
	var n Names
	for _, was := range []string{"mx0", "mx1", "mx0"} {
		n.KnownAs(was)
	}
	if !n.Had("mx0") || !n.Had("mx1") || n.Had("mx2") || n.Had("") {
		t.Error("it does not know its names")
	}
}
