package console

// The exit codes that scripts rely on.
const (
	ExitDone    = 0
	ExitError   = 1
	ExitPending = 2 // changes are pending; only with --detailed-exitcode
	ExitRefused = 3 // refused for safety
	ExitPartial = 4 // some domains done, some failed
	ExitUsage   = 64
)

// Exit ends the program with a code after everything has been said.
type Exit int

// Error implements error.
func (Exit) Error() string { return "exit" }

// Outcome returns the exit code for a run over several domains.
func Outcome(all, failed, refused int) int {
	switch {
	case failed == 0:
		return ExitDone
	case failed < all:
		return ExitPartial
	case refused == failed:
		return ExitRefused
	}
	return ExitError
}

// Ended returns the error of a run over several domains: nil when all is done, else an Exit with the code of Outcome.
func Ended(all, failed, refused int) error {
	if code := Outcome(all, failed, refused); code != ExitDone {
		return Exit(code)
	}
	return nil
}
