package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestManyOddAnswers: an answer that is wrong for each of very many domains is judged in seconds, and not in as many
// comparisons as there are pairs of domains.
func TestManyOddAnswers(t *testing.T) {
	key, err := dkim.Generate(dkim.RSA2048)
	if err != nil {
		t.Fatal(err)
	}
	var keys []dkim.SigningKey
	for i := range 1000 {
		keys = append(keys, dkim.SigningKey{Name: dkim.Name{Domain: fmt.Sprintf("d%d.example", i), Selector: "s1"}, Key: key})
	}
	p := Peer{Signer: "x", Called: "it", SendKey: true,
		Misbehaved: func(what string, err error) error { return errors.New(what) },
		Send: func(_ context.Context, _ string, r Request, _ []byte) ([]byte, error) {
			a := answer{Active: map[string]signs{}}
			for i, e := range r.Domains {
				a.Active[e.Domain] = signs{Selector: fmt.Sprintf("quite-another-selector-%d", i), KeyID: fmt.Sprintf("%064d", i)}
			}
			return json.Marshal(a)
		}}
	began := time.Now()
	sw, err := p.Activate(t.Context(), keys)
	if err != nil || len(sw.Failed) != 1000 {
		t.Errorf("%d failed: %v", len(sw.Failed), err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %s", took)
	}
}
