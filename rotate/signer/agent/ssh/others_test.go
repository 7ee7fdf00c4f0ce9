package ssh

import (
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// TestTooMany: a request that would become longer than a host takes says nothing of other domains, and is sent.
func TestTooMany(t *testing.T) {
	for n, named := range map[int]bool{0: false, 80_000: true, 200_000: false} {
		r := Request{Request: protocol.Request{FormatVersion: 1, Action: protocol.Activate}, Others: map[string]Signs{}}
		for i := range n {
			r.Others[fmt.Sprintf("d%06d.customers.example.com", i)] = Signs{Selector: "s1", KeyID: fmt.Sprintf("%064x", i)}
		}
		text, err := r.document()
		if err != nil || len(text) > MaxDocument || (len(text) > 1000) != named {
			t.Errorf("%d domains: %d octets, %v", n, len(text), err)
		}
	}
}
