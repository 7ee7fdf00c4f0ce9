package wayout

import "github.com/dkimbot/dkimbot/rotate/codes"

// Change names the change that begins.
func Change(action codes.Action, selector string) string {
	switch action {
	case codes.ActionAdopt:
		return "the adoption of keys"
	case codes.ActionBootstrap:
		return "the creation of the first keys"
	case codes.ActionReplace:
		return "the replacement of the key at " + selector
	}
	return "the switch to " + selector
}
