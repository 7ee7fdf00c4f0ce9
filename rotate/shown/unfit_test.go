package shown_test

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// TestAllUnfit: all mail surely fails where each signer shows that it signs by an algorithm that does not fit its key. One
// that is not known to, or whose mail is looked at, may have mail that verifies: it is not taken away (I2).
func TestAllUnfit(t *testing.T) {
	at := func(id string) dkim.Ref {
		return dkim.Ref{Name: dkim.Name{Domain: "example.com", Selector: "s1"}, KeyID: id}
	}
	bad := rotate.SignerSeen{Ref: at(dkim.Unfit(plantest.Keys()[0].Public(), "rsa-sha256"))}
	good := rotate.SignerSeen{Ref: at(plantest.Keys()[0].ID())}
	silent, unheard, mixed := bad, bad, bad
	silent.Err, unheard.Unheard, mixed.Here = errors.New("no answer"), errors.New("no answer"), good.Ref
	for title, c := range map[string]struct {
		seen    map[string]rotate.SignerSeen
		probed  map[string]bool
		signers []string
		want    bool
	}{
		"one does":                     {map[string]rotate.SignerSeen{"mx1": bad}, nil, []string{"mx1"}, true},
		"both do":                      {map[string]rotate.SignerSeen{"mx1": bad, "mx2": bad}, nil, []string{"mx1", "mx2"}, true},
		"one fits":                     {map[string]rotate.SignerSeen{"mx1": bad, "mx2": good}, nil, []string{"mx1", "mx2"}, false},
		"one that is not listed does":  {map[string]rotate.SignerSeen{"mx1": bad, "mx2": good}, nil, []string{"mx1"}, true},
		"one was not asked":            {map[string]rotate.SignerSeen{"mx1": bad}, nil, []string{"mx1", "mx2"}, false},
		"one is silent":                {map[string]rotate.SignerSeen{"mx1": silent}, nil, []string{"mx1"}, false},
		"a host of it was not heard":   {map[string]rotate.SignerSeen{"mx1": unheard}, nil, []string{"mx1"}, false},
		"another host of it fits":      {map[string]rotate.SignerSeen{"mx1": mixed}, nil, []string{"mx1"}, false},
		"its mail is looked at":        {map[string]rotate.SignerSeen{"mx1": bad}, map[string]bool{"mx1": true}, []string{"mx1"}, false},
		"there is no signer":           {nil, nil, nil, false},
		"one that signs with no key":   {map[string]rotate.SignerSeen{"mx1": {}}, nil, []string{"mx1"}, false},
		"one of which it is not known": {map[string]rotate.SignerSeen{"mx1": {Ref: at("")}}, nil, []string{"mx1"}, false},
	} {
		if got := shown.AllUnfit(rotate.Observation{Signers: c.seen, Probed: c.probed}, c.signers); got != c.want {
			t.Errorf("%s: %t", title, got)
		}
	}
}
