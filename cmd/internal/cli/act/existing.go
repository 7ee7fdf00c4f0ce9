package act

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// signerFiles are the files in which a driver's signer names its keys, as far as the command line gives them.
type signerFiles struct {
	existing.Files
	given []string // one for each flag
}

// filesOfDrivers returns what each driver reads, and adds its flags.
func filesOfDrivers(drivers []signer.Settings, flags *pflag.FlagSet) (all []*signerFiles) {
	for _, d := range drivers {
		reads, ok := d.(existing.InFiles)
		if !ok {
			continue
		}
		f := &signerFiles{Files: reads.Existing()}
		f.given = make([]string, len(f.Flags))
		for i, flag := range f.Flags {
			flags.StringVar(&f.given[i], flag.Name, "", flag.Usage)
		}
		all = append(all, f)
	}
	return all
}

// from is the flag that names the first of the files.
func (f *signerFiles) from() string { return "--" + f.Flags[0].Name }

// isGiven reports whether the command line asks for keys of this signer.
func (f *signerFiles) isGiven() bool { return f.given[0] != "" }

// check finds flags of which one is given without another.
func (f *signerFiles) check() error {
	var names []string
	for _, flag := range f.Flags {
		names = append(names, "--"+flag.Name)
	}
	missing := slices.Contains(f.given, "")
	if missing && slices.ContainsFunc(f.given, func(file string) bool { return file != "" }) {
		return errors.New(strings.Join(names, " and ") + " need each other: " + f.Why)
	}
	return nil
}

// synopsis is a line of the command's help.
func (f *signerFiles) synopsis() string {
	line := " "
	for _, flag := range f.Flags {
		_, value, _ := strings.Cut(flag.Usage, "`")
		line += " --" + flag.Name + " " + value[:1]
	}
	return line + "  " + f.Place + "\n"
}

// example is a command for the help that adopts the keys of all domains.
func (f *signerFiles) example() string {
	line := "  dkimbot adopt --all"
	for _, flag := range f.Flags {
		line += " --" + flag.Name + " " + flag.Example
	}
	return line + "\n"
}

// layoutsOfDrivers returns the layouts in Vault that the drivers know.
func layoutsOfDrivers(drivers []signer.Settings) (all []existing.Layout) {
	for _, d := range drivers {
		if keeps, ok := d.(existing.InVault); ok {
			all = append(all, existing.Layout{Name: d.Driver().Name, InVault: keeps})
		}
	}
	return all
}

// layoutNames lists the names of layouts for people.
func layoutNames(all []existing.Layout) string {
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return strings.Join(names, " or ")
}
