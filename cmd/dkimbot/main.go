// Command dkimbot rotates DKIM keys without ever breaking mail.
package main

import (
	"os"
	_ "time/tzdata" // a container may have no time zones

	"github.com/dkimbot/dkimbot/cmd/internal/cli"
)

func main() {
	cli.KeepMemory()
	os.Exit(cli.Main(os.Args[1:], cli.Terminal()))
}
