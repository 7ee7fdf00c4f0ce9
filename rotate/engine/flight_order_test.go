package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestRevokedBeforeLate: in one run a compromised key is revoked after the first signers have left it and before those
// that are late are tried; where all that were to leave first fail, after the first of the late ones that leaves (I2).
func TestRevokedBeforeLate(t *testing.T) {
	for title, c := range map[string]struct {
		silent, fail []string
		want         string
	}{
		"all is well":             {nil, nil, "mx1 mx2 mx3 revoke"},
		"one is silent":           {[]string{"mx1"}, nil, "mx2 mx3 revoke mx1"},
		"one hangs only now":      {nil, []string{"mx1"}, "mx1 mx2 mx3 revoke"},
		"the others fail":         {[]string{"mx1"}, []string{"mx2", "mx3"}, "mx2 mx3 mx1 revoke"},
		"all but the last fail":   {[]string{"mx1", "mx2", "mx3"}, []string{"mx1", "mx2"}, "mx1 mx2 mx3 revoke"},
		"all are silent":          {[]string{"mx1", "mx2", "mx3"}, nil, "mx1 revoke mx2 mx3"},
		"none can be switched":    {[]string{"mx1"}, []string{"mx1", "mx2", "mx3"}, "mx2 mx3 mx1"},
		"all late, the 2nd works": {[]string{"mx1", "mx2", "mx3"}, []string{"mx1"}, "mx1 mx2 revoke mx3"},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2", "mx3"), wanted("mx1", "mx2", "mx3")
			w.settle(d)
			for _, name := range c.silent {
				w.hosts[name].silent = true
			}
			var came []string
			w.trouble = func(op string) trouble {
				name, activates := strings.CutPrefix(op, "activate ")
				if activates {
					came = append(came, name)
					w.hosts[name].silent = false
				} else if op == "publish s1" && !slices.Contains(came, "revoke") {
					came = append(came, "revoke")
				}
				if activates && slices.Contains(c.fail, name) {
					return refused
				}
				return fine
			}
			w.order(d, rotate.Compromised{Selectors: []string{"s1"}})
			if got := strings.Join(came, " "); got != c.want {
				t.Errorf("it came as %s, want %s", got, c.want)
			}
		})
	}
}
