package signertest

import (
	"context"
	"maps"
	"os"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// testOthers guards I1: what somebody did to the lines of other domains does not come into force by the reload for one.
func testOthers(t *testing.T, s Subject) {
	r, ok := s.Signer.(signer.Reloads)
	if !ok {
		return
	}
	if len(s.Files) == 0 {
		t.Fatal("the subject does not say which files its daemon keeps in memory")
	}
	known := map[string]dkim.Ref{}
	r.KnowOthers(func(context.Context) (map[string]dkim.Ref, error) { return maps.Clone(known), nil })
	activate := func(keys ...dkim.SigningKey) {
		t.Helper()
		s.activate(t, keys...)
		for _, k := range keys {
			known[k.Domain] = k.Ref()
		}
	}
	k := Keys(t, 4)
	b, c := At("b.example", "s2", k[1]), At("c.example", "s1", k[2])
	activate(At("a.example", "s1", k[0]), At("b.example", "s1", k[0]), c)
	older := s.texts(t)
	activate(b)
	now := s.texts(t)
	next := []dkim.SigningKey{At("a.example", "s2", k[3]), At("a.example", "s1", k[0]), At("a.example", "s2", k[3])}
	for i, spoil := range []map[string]string{older, {}, now} { // from a backup, gone, whole
		for _, path := range s.Files {
			if text, there := spoil[path]; !there {
				os.Remove(path)
			} else if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		activate(next[i])
		s.wantActive(t, []string{"a.example", "b.example", "c.example"}, next[i], b, c)
	}
}

func (s Subject) texts(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, path := range s.Files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[path] = string(data)
	}
	return out
}
