package setup

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// Places are where dkimbot keeps what is its own.
type Places struct{ State, Keys string }

// Configuration returns the text of a first configuration. The domains that are signed stand in it as
// comments: which of them dkimbot takes on, and how, is for a person to decide.
func Configuration(at Places, account *Account, signers []found.Signer) (string, error) {
	w := &writer{}
	w.line("# Written by 'dkimbot init' from what it found on this host. All keys: 'dkimbot man dkimbot.yaml'.")
	w.line("# After a change: 'dkimbot validate', then 'dkimbot check'.")
	w.line("")
	w.line("state:                          # precious: back it up ('dkimbot backup')")
	w.pair("  ", found.Pair{Key: "path", Value: at.State})
	w.line("keystore:                       # private keys")
	w.pair("  ", found.Pair{Key: "driver", Value: "file"})
	w.pair("  ", found.Pair{Key: "path", Value: at.Keys})
	w.line("")
	w.line("providers:                      # DNS accounts")
	w.line("  dns:")
	for _, p := range account.Keys {
		w.pair("    ", p)
	}
	w.line("")
	w.signers(signers)
	w.domains(signers)
	return w.String(), w.err
}

// writer writes lines of YAML, and remembers the first error.
type writer struct {
	bytes.Buffer
	err error
}

// line writes a line; what a host's file has in it that is no text becomes a question mark.
func (w *writer) line(format string, args ...any) {
	text := strings.ToValidUTF8(fmt.Sprintf(format, args...), "?")
	w.WriteString(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text) + "\n")
}

func (w *writer) pair(indent string, p found.Pair) {
	w.line("%s%s: %s", indent, p.Key, w.value(p.Value))
}

// value returns a value on one line, with quotes where it needs them.
func (w *writer) value(v any) string {
	if words, ok := v.([]string); ok {
		var parts []string
		for _, word := range words {
			parts = append(parts, w.flow(word))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if word, ok := v.(bare); ok {
		return string(word)
	}
	text, err := yaml.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	return strings.TrimSuffix(string(text), "\n")
}

// flow is value for a word of a list, where a comma or a bracket would end it.
func (w *writer) flow(word string) string {
	if strings.ContainsAny(word, ",[]{}") {
		return fmt.Sprintf("%q", word)
	}
	return w.value(word)
}

func (w *writer) signers(all []found.Signer) {
	usable := slices.ContainsFunc(all, func(s found.Signer) bool { return len(s.Keys) > 0 })
	if usable {
		w.line("signers:                        # what signs mail")
	} else {
		w.line("# No program that signs mail was found that dkimbot can switch. Name yours, for example:")
		w.line("# signers:")
		w.line("#   mx1: { driver: exec, command: [/usr/local/bin/set-selector] }    # dkimbot-hooks(7)")
	}
	for _, s := range all {
		indent := "  "
		if !usable {
			indent = ""
		}
		for _, remark := range s.Remarks {
			w.line("%s# %s (%s): %s", indent, s.Program, s.From, remark)
		}
		for i, step := range s.Before {
			if i == 0 {
				w.line("%s# BEFORE THE FIRST ROTATION, as root:", indent)
			}
			w.line("%s# %s", indent, strings.TrimPrefix(step, "# "))
		}
		if len(s.Keys) == 0 {
			continue
		}
		w.line("  %-30s# found in %s", s.Name+":", s.From)
		for _, p := range s.Keys {
			w.pair("    ", p)
		}
	}
	w.line("")
}
