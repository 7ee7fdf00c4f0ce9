package onhost

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// TestLogOfLosses: a host's log says when its signer stops to sign a domain, and that a line of others counts; each
// once, and not of what can't be read.
func TestLogOfLosses(t *testing.T) {
	var out strings.Builder
	a := &onHost{log: slog.New(slog.NewTextHandler(&out, nil))}
	signs := agent.Seen{Selector: "s1", KeyID: strings.Repeat("a", 64)}
	overruled, unread := signs, agent.Seen{Unread: true, Error: "no answer"}
	overruled.Overruled = "line 3 of /etc/table counts"
	for _, turn := range []struct {
		seen agent.Seen
		want string
	}{{signs, "the signer signs"}, {unread, "no answer"}, {signs, "the signer signs"},
		{agent.Seen{}, "does not sign the domain any more"}, {agent.Seen{}, ""}, {signs, "the signer signs"}, {overruled, "line 3 of /etc/table counts"}, {overruled, ""}} {
		out.Reset()
		a.logReport(agent.Report{Keys: map[string]agent.Seen{"a.example": turn.seen}}, nil)
		if got := out.String(); !strings.Contains(got, turn.want) || turn.want == "" && got != "" ||
			strings.Count(got, "\n") > 1 {
			t.Errorf("%+v: the log says %q, want %q", turn.seen, got, turn.want)
		}
	}
}
