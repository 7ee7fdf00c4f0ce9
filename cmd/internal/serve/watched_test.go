package serve

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// checkable is a part of every kind that can be asked beforehand.
type checkable struct {
	ports.Keystore
	ports.Signer
	ports.Publisher
}

func (checkable) Check([]preflight.Subject) []preflight.Question {
	return make([]preflight.Question, 1)
}

// TestQuestionsPass: what can be asked beforehand can be, too, when its calls are counted.
func TestQuestionsPass(t *testing.T) {
	m := NewMetrics("1")
	for name, part := range map[string]any{"keystore": m.Keystore(checkable{}), "provider": m.Publisher("p", checkable{}),
		"signer": m.Signer("s", checkable{})} {
		if len(preflight.Of(part, nil)) != 1 {
			t.Errorf("%s: the questions are lost", name)
		}
	}
	if len(preflight.Of(m.Signer("plain", fake{}), nil)) != 0 {
		t.Error("a signer that can't be asked asks something")
	}
}

type unmixed struct{ checkable }

func (unmixed) Unmixed() bool { return true }

// TestAbilitiesPass: a signer is able to do the same when its calls are counted, as with the daemon; else the daemon would
// do otherwise than the plan says (I11).
func TestAbilitiesPass(t *testing.T) {
	if u, ok := NewMetrics("1").Signer("s", unmixed{}).(ports.Unmixed); !ok || !u.Unmixed() {
		t.Error("that a signer signs with one algorithm is lost")
	}
}
