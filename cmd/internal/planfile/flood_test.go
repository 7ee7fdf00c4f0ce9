package planfile_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestManySmallObjects: a file of nothing but small objects is refused before it takes a
// hundred times its size in memory.
func TestManySmallObjects(t *testing.T) {
	flood := `{"format_version":1,"plan_id":"x","domains":[` + strings.Repeat("{},", 100_000) + `{}]}`
	if _, err := planfile.Read([]byte(flood)); fault.CodeOf(err) != "damaged-plan" ||
		!strings.Contains(err.Error(), "too many objects") {
		t.Errorf("%v", err)
	}
}
