package observe_test

import (
	"context"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/observe"
)

// memory is a signer that signs a.example, and has lost the lines of all domains.
type memory struct{}

func (memory) Active(context.Context, []string) (map[string]dkim.Ref, error) {
	return map[string]dkim.Ref{"a.example": {Name: dkim.Name{Domain: "a.example", Selector: "s1"}, KeyID: "k"}}, nil
}

func (memory) Unkept(_ context.Context, domains []string) map[string]string {
	out := map[string]string{}
	for _, d := range domains {
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
