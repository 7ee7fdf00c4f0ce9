package show

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// TestYetToBegin: true words: signers leave a compromised key without being asked again.
func TestYetToBegin(t *testing.T) {
	st := rotate.State{Active: "s2", Selectors: map[string]*rotate.Selector{"s2": {Key: &rotate.Key{}}}}
	if got := yetToBegin(st); !strings.Contains(got, "only when the schedule") {
		t.Error(got)
	}
	st.Selectors["s2"].Key.Leaked = time.Unix(1, 0)
	if got := yetToBegin(st); !strings.Contains(got, "tried again by itself") {
		t.Error(got)
	}
}
