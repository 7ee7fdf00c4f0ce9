package keyring

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Made returns the id of the key that a run makes for a selector, which the plan could
// not know; "" as long as there is none.
func Made(fresh *dkim.PrivateKey, sel rotate.Selector, phase rotate.Phase) string {
	if fresh != nil {
		return fresh.ID()
	}
	switch key := sel.Pending(phase); {
	case key != nil:
		return key.ID
	case sel.Key != nil && sel.InPlace():
		return sel.Key.ID
	}
	return ""
}
