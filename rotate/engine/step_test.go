package engine_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFactsReadBack: a saved plan approves exactly the steps that it was made of: what the
// document says of each step reads back as that step.
func TestFactsReadBack(t *testing.T) {
	for n, make := range []func() *scene{newScene, bootstrappingScene, readyScene, switchingScene, drainingScene, drainedScene, storedScene, publishedScene, replacedScene} {
		for _, asked := range []bool{false, true} {
			s := make()
			s.want.Asked = asked
			for _, step := range s.want.plan(s.now, s.have, s.seen).Steps {
				if diff := cmp.Diff(step, step.WithFacts(step.Facts())); diff != "" {
					t.Errorf("scene %d, asked %v: %s %s reads back as something else:\n%s", n, asked, step.Kind, step.Selector, diff)
				}
			}
		}
	}
}
