package finding

import "fmt"

// KeptAnother says that receivers may keep, for span, another key that was shown at a selector: somebody else's, or a
// fresh one that was given up.
func KeptAnother(selector string, span string) string {
	return fmt.Sprintf("another key stood at %s for a while, and some receivers keep that for up to %s", selector, span)
}

// KeptOld says that receivers may keep the key that a selector's took the place of; span is how long.
func KeptOld(selector string, span string) string {
	return fmt.Sprintf("another key may have stood at %s before; this one is not used before its record has been public for %s, "+
		"because some receivers keep the old one that long", selector, span)
}
