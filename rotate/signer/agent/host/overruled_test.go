package host_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// shared is a signer whose file others write, too.
type shared struct {
	*table
	lines map[string]string
}

func (s shared) Overruled(_ context.Context, domains []string) map[string]string {
	out := map[string]string{}
	for d, line := range s.lines {
		if slices.Contains(domains, d) {
			out[d] = line
		}
	}
	return out
}

// TestOverruled guards I1 and I6: the line of others that counts on an agent's host is named by the coordinator, with
// the host, as long as the agent sees it.
func TestOverruled(t *testing.T) {
	l := newLab(t)
	at := shared{l.table, map[string]string{}}
	l.host.Signer = at
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	if said := l.asks.Overruled(t.Context(), []string{domain}); len(said) > 0 {
		t.Errorf("before: %v", said)
	}
	at.lines[domain] = "line 3 of /etc/table counts"
	l.turn()
	said := l.asks.Overruled(t.Context(), []string{domain, "b.example"})
	if len(said) != 1 || !strings.Contains(said[domain], "line 3 of /etc/table counts") ||
		!strings.Contains(said[domain], "host one") {
		t.Errorf("the coordinator says %v", said)
	}
	told := false
	for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
		Questions: l.asks.Check([]preflight.Subject{{Name: signertest.At(domain, "s1", l.keys[0]).Name}})}}, preflight.Usual) {
		told = told || fault.CodeOf(a.Err) == codes.ForeignSignerLine
	}
	if !told {
		t.Error("'dkimbot check' does not tell")
	}
	delete(at.lines, domain)
	l.turn()
	if said := l.asks.Overruled(t.Context(), []string{domain}); len(said) > 0 {
		t.Errorf("after: %v", said)
	}
}

// TestOverruledFits: lines of others for many domains leave room in a report.
func TestOverruledFits(t *testing.T) {
	l := newLab(t)
	at := shared{l.table, map[string]string{}}
	for i := range 3000 {
		d := fmt.Sprintf("d%04d.example", i)
		l.host.Domains = append(l.host.Domains, d)
		at.lines[d] = strings.Repeat("x", 600)
	}
	l.host.Signer = at
	l.turn()
	if n := len(l.asks.Overruled(t.Context(), l.host.Domains)); n != 3000 {
		t.Errorf("%d of 3000 are named", n)
	}
}

// forgetful is a signer that signs with what it has read, and whose file is not as it was written until it is given the
// key again.
type forgetful struct {
	*table
	lost *bool
}

func (f forgetful) Unkept(_ context.Context, signs map[string]dkim.Ref) map[string]string {
	if _, is := signs[domain]; is && *f.lost {
		return map[string]string{domain: "line 3 of /etc/table gives another key"}
	}
	return nil
}

func (f forgetful) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	*f.lost = false
	return f.table.Activate(ctx, keys)
}

// TestUnkept guards I1: what an agent's signer would lose with its next start is said by the coordinator, with the host,
// and the key is written again when it is asked for again.
func TestUnkept(t *testing.T) {
	l := newLab(t)
	lost, key := false, signertest.At(domain, "s1", l.keys[0])
	l.host.Signer = forgetful{l.table, &lost}
	l.turn()
	l.want(key)
	lost = true
	l.turn()
	signs := map[string]dkim.Ref{domain: key.Ref(), "b.example": {}}
	said := l.asks.Unkept(t.Context(), signs)
	if len(said) != 1 || !strings.Contains(said[domain], "host one, line 3 of /etc/table gives another key") || !lost {
		t.Errorf("the coordinator says %v, and the agent acted by itself: %t", said, !lost)
	}
	l.want(key)
	if said := l.asks.Unkept(t.Context(), signs); lost || len(said) > 0 {
		t.Errorf("asked for again: the file is not written: %t; %v", lost, said)
	}
}
