package preflight_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// What is refused twice, by two questions, is said once, however it was wrapped on its way.
func TestSame(t *testing.T) {
	owner := func() error { return fault.Refuse(codes.KeyOwner, "use key_dir of signer mx1", "write owner") }
	for name, tt := range map[string]struct {
		a, b error
		want bool
	}{
		"made twice":       {owner(), owner(), true},
		"wrapped":          {owner(), fmt.Errorf("%w", owner()), true},
		"one of two":       {owner(), nil, false},
		"none":             {nil, nil, true},
		"another object":   {owner(), fault.Refuse(codes.KeyOwner, "use key_dir of signer mx2", "write owner"), false},
		"another code":     {owner(), fault.Refuse(codes.KeyMissing, "use key_dir of signer mx1", "write owner"), false},
		"another hint":     {owner(), fault.Refuse(codes.KeyOwner, "use key_dir of signer mx1", "wait"), false},
		"another kind":     {fault.Temporary("read", errors.New("no"), ""), fault.Lasting("read", errors.New("no"), ""), false},
		"an error of none": {errors.New("no"), errors.New("no"), true},
	} {
		if got := preflight.Same(tt.a, tt.b); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
