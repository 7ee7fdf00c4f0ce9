package fault

import "fmt"

// Caught, deferred, makes an error of a panic, so that a defect met in one part fails what
// needs that part, and nothing else.
func Caught(what string, err *error) {
	if p := recover(); p != nil {
		*err = Lasting(what, fmt.Errorf("internal error: %v", p), "report this as a defect")
	}
}
