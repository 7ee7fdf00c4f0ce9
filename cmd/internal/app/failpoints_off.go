//go:build !failpoints

package app

import (
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// withFailpoints returns the parts as they are: only a program that is built with
// the tag failpoints ends itself on purpose.
func withFailpoints(parts engine.Parts) (engine.Parts, error) { return parts, nil }
