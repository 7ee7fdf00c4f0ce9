package man

import (
	"cmp"
	"embed"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

//go:embed pages/*.md
var written embed.FS

// All returns every page, sorted by section and name: dkimbot(1) and the pages of its
// commands, that of the configuration with its keys, and those that are written by hand.
func All(root *cobra.Command, keys []Group) ([]Page, error) {
	files, err := written.ReadDir("pages")
	if err != nil {
		return nil, err
	}
	hand := map[string]Page{}
	for _, f := range files {
		text, err := written.ReadFile("pages/" + f.Name())
		if err != nil {
			return nil, err
		}
		p, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name(), err)
		}
		hand[p.Name] = p
	}
	pages := Commands(root, hand)
	for _, p := range hand {
		switch {
		case p.Name == "dkimbot.yaml":
			pages = append(pages, Configuration(p, keys))
		case p.Section != 1:
			pages = append(pages, p)
		}
	}
	slices.SortFunc(pages, func(a, b Page) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Name, b.Name))
	})
	return pages, nil
}
