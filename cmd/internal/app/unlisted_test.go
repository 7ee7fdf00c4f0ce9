package app

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state/sqlite"
)

// What a run tells of beside its domains: those that left the configuration without
// being released, and listed ones that wait for their next try.
func TestRemainder(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	now := time.Date(2026, 1, 31, 4, 0, 0, 0, time.UTC)
	for name, st := range map[string]rotate.State{
		"listed.test":   {},
		"waits.test":    {Failures: 1, NextTry: now.Add(time.Second)},
		"comes.test":    {Failures: 1, NextTry: now},
		"gone.test":     {Failures: 1, NextTry: now.Add(time.Hour)},
		"released.test": {Released: &rotate.ReleaseState{At: now}},
		"purged.test":   {Released: &rotate.ReleaseState{At: now, Purge: true, Purged: now}},
		"purging.test":  {Released: &rotate.ReleaseState{At: now, Purge: true}},
	} {
		st.Domain = name
		lease, err := store.Acquire(t.Context(), ports.LeaseRequest{Domain: name, Owner: "a", Now: now, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Save(t.Context(), lease, now, st); err != nil {
			t.Fatal(err)
		}
	}
	a := &App{State: store, Config: &config.Config{}}
	for _, name := range []string{"listed.test", "waits.test", "comes.test", "new.test"} {
		a.Config.Domains = append(a.Config.Domains, config.Domain{Domain: rotate.Domain{Name: name}})
	}
	names := func(states []rotate.State, err error) (out []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range states {
			out = append(out, st.Domain)
		}
		return out
	}
	if diff := cmp.Diff([]string{"gone.test", "purging.test"}, names(a.Unlisted(t.Context()))); diff != "" {
		t.Errorf("unlisted: %s", diff)
	}
	if diff := cmp.Diff([]string{"waits.test"}, names(a.Waiting(t.Context(), now))); diff != "" {
		t.Errorf("waiting: %s", diff)
	}
}
