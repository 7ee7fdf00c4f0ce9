package wayout_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/wayout"
)

func judgeAll(s *scene) health.Check { return health.New(s.Now, s.Want.Domain, s.Have, s.Seen) }

// TestShownNote: the history says of each record that is relied on who shows it, and where not every server does, why
// that is enough.
func TestShownNote(t *testing.T) {
	for title, c := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"every server": {func(*scene) {}, "every authoritative server shows it"},
		"not every one, signers flee": {func(s *scene) {
			plantest.Leak("s1")(s)
			s.Have.Selectors["s1"].Key.RevokedAt = s.Now
			s.Lag("s2")
		}, "not every server shows it (ns2 lags), but mail that signers sign with s1 fails at every server that follows, " +
			"because its key was revoked"},
		"not every one, a signer is empty": {func(s *scene) { s.Lag("s2") },
			"not all servers show it (ns2 lags), and the signer signs with nothing"},
		"not every one answers": {func(s *scene) { s.Mute("s2") },
			"all servers that answer show it, but not all answer (ns2 did not answer)"},
		"none is asked": {(*scene).Uncheck, "DNS was not asked (verify.mode none)"},
	} {
		s := plantest.Ready()
		c.change(s)
		if got := wayout.ShownNote(judge(s), "s2", s.Seen.Selectors["s2"].Sight); got != c.want {
			t.Errorf("%s: %s", title, got)
		}
	}
}

// TestBecause: the history says first why a step repairs something, and nothing of that of a step of a rotation.
func TestBecause(t *testing.T) {
	for _, c := range []struct {
		code codes.Code
		says string
		want string
	}{
		{codes.Vanished, "through office", "it vanished; through office"}, {codes.Vanished, "", "it vanished"},
		{codes.SignerStrays, "asked", "it vanished; asked"}, {codes.Schedule, "asked", "asked"}, {codes.Schedule, "", ""},
	} {
		s := rotate.Step{Reason: rotate.Reason{Code: c.code, Message: "it vanished"}}
		if got := wayout.Because(s, c.says); got != c.want {
			t.Errorf("%s, %q: %q", c.code, c.says, got)
		}
	}
}
