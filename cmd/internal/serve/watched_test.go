package serve

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// checkable is a part of every kind that can be asked beforehand.
type checkable struct {
	rotate.Keystore
	rotate.Signer
	rotate.Publisher
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
