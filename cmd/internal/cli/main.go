// Package cli is the command line: it puts the commands together. Each is one file in one of
// the rooms below it: inspect has the commands that change nothing, act those that change
// something, daemon the one that runs the schedule; console is what they share.
package cli

import "github.com/dkimbot/dkimbot/cmd/internal/cli/console"

// Streams are what the program reads and writes.
type Streams = console.Streams

// Terminal returns the streams of the process.
func Terminal() Streams { return console.Terminal() }

// Main runs the command line and returns the exit code.
func Main(args []string, s Streams) int {
	p := console.New(s)
	ctx, end := p.Start(args)
	cmd := root(p)
	cmd.SetArgs(args)
	return end(cmd.ExecuteContext(ctx))
}
