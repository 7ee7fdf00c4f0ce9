package console

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// UsageError says that the command line is wrong.
type UsageError struct {
	error
	command string // the one whose help says how it is right
	meant   string // what may have been meant, or ""
}

// Wrong returns the error of a command line that is wrong.
func Wrong(cmd *cobra.Command, err error) error {
	return &UsageError{error: err, command: cmd.CommandPath()}
}

// Unwrap returns what is wrong.
func (e *UsageError) Unwrap() error { return e.error }

func (e *UsageError) fault() error {
	hint := "run '" + e.command + " --help' to see how it is used"
	if e.meant != "" {
		hint = "did you mean '" + e.meant + "'? Otherwise " + hint
	}
	return fault.Lasting(e.Error(), nil, hint)
}

// UsageErrors makes wrong flags and arguments end with the code for a wrong command line.
func UsageErrors(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c.HasSubCommands() && c.Flags().NArg() > 0 {
			return UnknownCommand(c, c.Flags().Arg(0)) // whose flag it is
		}
		return &UsageError{error: err, command: c.CommandPath()}
	})
	args := cmd.Args
	switch {
	case cmd.Name() == "help":
		args = cobra.ArbitraryArgs
	case cmd.HasSubCommands() && !cmd.Runnable():
		args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, words []string) error {
			if len(words) > 0 {
				return UnknownCommand(c, words[0])
			}
			return c.Help()
		}
	case args == nil:
		args = cobra.NoArgs
	}
	cmd.Args = func(c *cobra.Command, words []string) error {
		if args(c, words) != nil {
			return &UsageError{error: wrongCount(c, words), command: c.CommandPath()}
		}
		return nil
	}
	for _, sub := range cmd.Commands() {
		UsageErrors(sub)
	}
}

// UnknownCommand returns the error of a word that is no command.
func UnknownCommand(parent *cobra.Command, word string) error {
	e := &UsageError{error: fmt.Errorf("%s has no command %q", parent.CommandPath(), word), command: parent.CommandPath()}
	parent.SuggestionsMinimumDistance = 2
	if near := parent.SuggestionsFor(word); len(near) > 0 {
		e.meant = parent.CommandPath() + " " + near[0]
	}
	return e
}

// wrongCount says what the command takes: nothing, or what stands in its usage line.
func wrongCount(c *cobra.Command, words []string) error {
	if _, takes, ok := strings.Cut(c.Use, " "); ok && !strings.HasPrefix(takes, "{") &&
		!strings.HasPrefix(takes, "[--") {
		return fmt.Errorf("%s takes one argument, %s, and was given %d", c.CommandPath(), takes, len(words))
	}
	return fmt.Errorf("%s takes flags only, and was given %q", c.CommandPath(), words[0])
}
