package kumomta

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
)

// Existing is what a data file of dkim_sign lets domains be signed with, whoever wrote it.
type Existing struct {
	Vault bool // Path is where the keys are in Vault: its mount and the prefix
	Keys  []ExistingKey
}

// ExistingKey is the key of one domain.
type ExistingKey struct{ Domain, Selector, Path string }

// ReadExisting reads a data file as KumoMTA does.
func ReadExisting(data []byte) (Existing, error) {
	d, err := parse(data)
	if err != nil {
		return Existing{}, fmt.Errorf("KumoMTA would refuse all of it: %w", err)
	}
	mount := d.base.text("vault_mount")
	out := Existing{Vault: mount != ""}
	for _, domain := range slices.Sorted(maps.Keys(d.domain)) {
		table := d.domain[domain]
		selector := cmp.Or(table.text("selector"), d.base.text("selector"))
		file := table.text("filename")
		switch {
		case selector == "":
			continue
		case out.Vault && file != "":
			return Existing{}, errors.New("it names a path in Vault by filename: dkimbot keeps keys at the usual one")
		case out.Vault:
			file = path.Join(mount, cmp.Or(d.base.text("vault_path_prefix"), "dkim"))
		case file == "":
			file = path.Join(defaultDir, domain, selector+".key")
		}
		out.Keys = append(out.Keys, ExistingKey{domain, selector, file})
	}
	return out, nil
}
