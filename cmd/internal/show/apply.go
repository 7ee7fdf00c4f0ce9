package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// Applied writes what became of a domain when a plan was applied.
func (t Text) Applied(r engine.Result) {
	t.result(r, func() {
		if r.Holds {
			t.Line("  ", "plan", "it changed nothing for this domain yet, and can be applied again")
			return
		}
		for _, s := range r.Left {
			if len(r.Done) == 0 {
				break // nothing was begun
			}
			fmt.Fprintf(t.W, "  %s %s\n", t.Yellow("left"),
				Attempt(rotate.Event{Kind: s.Kind, Selector: s.Selector, Signer: s.Signer}))
		}
	})
}
