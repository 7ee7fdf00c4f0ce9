package report

import "time"

// CopyDocument is `backup --json` and `restore --json`.
type CopyDocument struct {
	FormatVersion int        `json:"format_version"`
	File          string     `json:"file"`
	Domains       int        `json:"domains"`
	LastChange    *time.Time `json:"last_change"`
}

// NewCopy makes the document of a copied state, which has so many domains.
func NewCopy(file string, domains int, lastChange time.Time) CopyDocument {
	doc := CopyDocument{FormatVersion: FormatVersion, File: file, Domains: domains}
	if !lastChange.IsZero() {
		doc.LastChange = &lastChange
	}
	return doc
}

// CopiedKeysDocument is `keystore copy --json`.
type CopiedKeysDocument struct {
	FormatVersion int `json:"format_version"`
	Copied        int `json:"copied"`
	There         int `json:"there_already"` // in the other keystore, and the same
}

// NewCopiedKeys makes the document of keys that were copied, and of those that were there.
func NewCopiedKeys(copied, there int) CopiedKeysDocument {
	return CopiedKeysDocument{FormatVersion, copied, there}
}
