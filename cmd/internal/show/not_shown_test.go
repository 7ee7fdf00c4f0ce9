package show_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestNotShown: of a compromised key that DNS does not show it is not said that whoever has it can sign mail; and of one
// whose record is published again, that it is compromised.
func TestNotShown(t *testing.T) {
	key := rotate.Key{ID: newID, Record: "v=DKIM1; p=", PublishedAt: now, Leaked: now}
	for title, c := range map[string]struct {
		sight rotate.Sight
		err   error
		says  string
	}{
		"removed":   {rotate.Sight{Complete: true}, nil, "; DNS does not show it now, so mail that is signed with it fails; if its"},
		"replaced":  {rotate.Sight{Complete: true, Values: []string{"v=DKIM1; p=Zm9yZWlnbg=="}}, nil, "; DNS does not show it now"},
		"partly":    {rotate.Sight{Values: []string{"v=DKIM1; p=Zm9yZWlnbg=="}}, nil, "; until it is, whoever has it can sign"},
		"not asked": {rotate.Sight{}, fault.Temporary("look s1 up", nil, ""), "; until it is, whoever has it can sign"},
	} {
		r := engine.Result{Domain: "example.com", State: rotate.State{Domain: "example.com",
			Selectors: map[string]*rotate.Selector{"s1": {Key: &key}}},
			Seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s1": {Sight: c.sight, SightErr: c.err}}},
			Done: []rotate.Event{{Kind: rotate.Publish, Selector: "s1", KeyID: newID}, {Kind: rotate.Publish, Selector: "s1", KeyID: oldID}}}
		got := written(func(x show.Text) { x.Result(r) })
		if !strings.Contains(got, "still s1: the compromised key ffeeddccbbaa is not revoked yet"+c.says) {
			t.Errorf("%s: %s", title, got)
		}
		if !strings.Contains(got, "ffeeddccbbaa was published, though it is compromised: signers can't be given another one yet\n") ||
			!strings.Contains(got, "001122334455 was published\n") {
			t.Errorf("%s: %s", title, got)
		}
	}
}
