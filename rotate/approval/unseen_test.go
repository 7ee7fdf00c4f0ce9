package approval

import (
	"errors"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestUnseen: what stands at a name that leads elsewhere or nowhere on every server was seen, though the name is refused;
// where a look got no answer, or not from every server, it was not (I11).
func TestUnseen(t *testing.T) {
	refused := fault.Refuse(codes.CNAMELoop, "look: a circle", "cut it")
	for title, c := range map[string]struct {
		err      error
		complete bool
		unseen   bool
	}{
		"it was seen":                  {nil, true, false},
		"another domain's record":      {fault.Refuse(codes.SharedName, "look: another's", "move it"), false, false},
		"every server leads nowhere":   {refused, true, false},
		"one does":                     {refused, false, true},
		"no answer":                    {fault.Temporary("look", errors.New("no answer"), "try again"), true, true},
		"no answer, and not from each": {fault.Temporary("look", errors.New("no answer"), "try again"), false, true},
	} {
		err := unseen(rotate.SelectorSeen{SightErr: c.err, Sight: rotate.Sight{Complete: c.complete}})
		if (err != nil) != c.unseen {
			t.Errorf("%s: %v", title, err)
		}
	}
}
