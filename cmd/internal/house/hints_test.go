package house

import (
	"strings"
	"testing"
)

// unhinted are the places where a fault has no hint of its own, each with the reason.
var unhinted = map[string]string{
	"rotate/simulate/ports.go: test":    "the simulation's own, which nobody sees",
	"rotate/simulate/ports.go: publish": "the simulation's own, which nobody sees",
}

// completed are functions whose faults get a hint later, where they have none, each with the reason.
var completed = map[string]string{
	"providers: transient": "Publish tells what helps against a failure that may pass",
}

// Whoever meets an error is told what to do next: every fault that is made in the
// program has a hint, or it is listed above with a reason.
func TestEveryFaultHasAHint(t *testing.T) {
	found, faults := map[string]bool{}, 0
	for dir, files := range sources(t) {
		hinted := hintParameters(files)
		for name := range hinted {
			if completed[strings.TrimPrefix(dir, root+"/")+": "+name] != "" {
				delete(hinted, name)
			}
		}
		for path, file := range files {
			walkFaults(path, file, hinted, func(m made) {
				faults++
				if !empty(m.hint) {
					return
				}
				place := m.place()
				found[place] = true
				if unhinted[place] == "" {
					t.Errorf("%s: a fault without a hint", place)
				}
			})
		}
	}
	for place := range unhinted {
		if !found[place] {
			t.Errorf("%s has a hint, or is no more: take it off the list", place)
		}
	}
	if faults < 250 {
		t.Errorf("only %d faults were found in the source", faults)
	}
}
