package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestFleeWithoutKeystore: signers that fetch their keys themselves flee while the keystore is silent, and the key
// that they leave is revoked after them; not where somebody else's record stands at the other selector (I2, I6).
func TestFleeWithoutKeystore(t *testing.T) {
	foreign := func(s *scene) { s.Show("s2", plantest.ForeignRecord) }
	for title, tt := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   string
	}{
		"both fetch":            {plantest.Ready, func(*scene) {}, "activate s2/mx1, activate s2/mx2, revoke s1"},
		"none fetches":          {plantest.Ready, func(s *scene) { s.Seen.Fetchers = nil }, ""},
		"a record of another's": {plantest.Switching, foreign, "revoke s1"},
	} {
		s := tt.scene()
		plantest.Leak("s1")(s)
		s.KeystoreSilent("s2")
		s.Seen.Fetchers = map[string]bool{"mx1": true, "mx2": true}
		tt.change(s)
		var got []string
		for _, step := range s.Plan().Steps {
			if step.Kind == rotate.Activate || step.Kind == rotate.Revoke {
				got = append(got, strings.TrimSuffix(string(step.Kind)+" "+step.Selector+"/"+step.Signer, "/"))
			}
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s: %v", title, got)
		}
	}
}

// TestFleeWarnsOfUnsettled: that signers flee to a key that has not settled is warned of; that they wait for
// resolvers before they come to a new one is not (I2).
func TestFleeWarnsOfUnsettled(t *testing.T) {
	for title, tt := range map[string]struct {
		change func(*rotate.Key)
		want   bool
	}{
		"settled":           {func(*rotate.Key) {}, false},
		"replaced just now": {func(k *rotate.Key) { k.VerifiedAt, k.Replaced = plantest.Now, true }, true},
		"new":               {func(k *rotate.Key) { k.VerifiedAt, k.CacheWait = plantest.Now, time.Hour }, false},
		"settles now": {func(k *rotate.Key) {
			k.VerifiedAt, k.Replaced = plantest.Now.Add(-7*24*time.Hour-plantest.Negative), true
		},
			false},
	} {
		s := plantest.Ready()
		plantest.Leak("s1")(s)
		tt.change(s.Have.Selectors["s2"].Key)
		warned := false
		for _, w := range s.Plan().Warnings {
			warned = warned || strings.Contains(w.Message, "has not settled")
		}
		if warned != tt.want {
			t.Errorf("%s: warned: %t", title, warned)
		}
	}
}
