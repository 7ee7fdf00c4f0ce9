package man

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Commands returns the pages of a command and of all below it, made from their help.
// extra holds further sections for a page, by its name.
func Commands(cmd *cobra.Command, extra map[string]Page) []Page {
	out := []Page{command(cmd, extra)}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, Commands(c, extra)...)
		}
	}
	return out
}

func command(cmd *cobra.Command, extra map[string]Page) Page {
	cmd.InitDefaultHelpFlag()
	p := Page{Name: pageName(cmd), Section: 1, Title: lowerFirst(cmd.Short)}
	program := cmd.Root().Name()
	usage := strings.TrimPrefix(cmd.UseLine(), program)
	p.add("Synopsis", Block{Kind: Paragraph, Text: "**" + program + "**" + words(usage)})
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	p.add("Description", help(long)...)
	p.add("Commands", subcommands(cmd)...)
	p.add("Options", options(cmd.LocalNonPersistentFlags())...)
	p.add("Options of all commands", options(globals(cmd))...)
	p.Blocks = append(p.Blocks, extra[p.Name].Blocks...)
	if cmd.Example != "" {
		p.add("Examples", Block{Kind: Code, Text: unindent(cmd.Example)})
	}
	if cmd.HasParent() {
		p.add("Exit status", Block{Kind: Paragraph, Text: "See dkimbot(1)."})
	}
	p.add("See also", Block{Kind: Paragraph, Text: strings.Join(seeAlso(cmd), ", ")})
	return p
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// globals returns the flags that hold for every command: at the root they are its own.
func globals(cmd *cobra.Command) *pflag.FlagSet {
	if cmd.HasParent() {
		return cmd.InheritedFlags()
	}
	return cmd.PersistentFlags()
}

func subcommands(cmd *cobra.Command) (out []Block) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			out = append(out, Block{Tagged, "**" + c.CommandPath() + "**", c.Short + ". See " + pageName(c) + "(1)."})
		}
		if c.Name() != "completion" { // one for each shell, listed there
			out = append(out, subcommands(c)...)
		}
	}
	return out
}

func options(flags *pflag.FlagSet) (out []Block) {
	flags.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		tag := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			tag = "`-" + f.Shorthand + "`, " + tag
		}
		if value != "" {
			tag += " " + value
		}
		if d := f.DefValue; d != "" && d != "false" && d != "[]" {
			usage += " (default: " + d + ")"
		}
		out = append(out, Block{Tagged, tag, words(upperFirst(usage)) + "."})
	})
	return out
}

func seeAlso(cmd *cobra.Command) []string {
	out := []string{"dkimbot(1)", "dkimbot.yaml(5)", "dkimbot-codes(7)", "dkimbot-hooks(7)"}
	if !cmd.HasParent() {
		out = out[1:]
	}
	if up := cmd.Parent(); up != nil && up.HasParent() {
		out = append([]string{pageName(up) + "(1)"}, out...)
	}
	return out
}

// help returns the blocks of a help text: paragraphs, lists, and indented lines that stay as they are. A list is
// the indented lines directly below a paragraph, each a name and what it means.
func help(text string) (out []Block) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.Trim(part, "\n") == "" {
			continue
		}
		if part = strings.Trim(part, "\n"); strings.HasPrefix(part, " ") || strings.HasPrefix(part, "\t") {
			out = append(out, Block{Kind: Code, Text: unindent(part)})
			continue
		}
		text, list, _ := strings.Cut(part, "\n ")
		out = append(out, Block{Kind: Paragraph, Text: words(strings.ReplaceAll(text, "\n", " "))})
		for line := range strings.Lines(list) {
			name, meaning, _ := strings.Cut(strings.TrimSpace(line), " ")
			out = append(out, Block{Tagged, "`" + name + "`", words(upperFirst(strings.TrimSpace(meaning))) + "."})
		}
	}
	return out
}

var (
	quoted    = regexp.MustCompile(`'(dkimbot[^']*|rotate --due)'`)
	flagAlone = regexp.MustCompile(`(^|[ (])(--[a-z][a-z-]*[a-z])`)
)

// words marks the commands and flags in a text that has no marks.
func words(text string) string {
	text = quoted.ReplaceAllString(text, "`$1`")
	parts := strings.Split(text, "`")
	for i := 0; i < len(parts); i += 2 { // those between are marked already
		parts[i] = flagAlone.ReplaceAllString(parts[i], "$1`$2`")
	}
	return strings.Join(parts, "`")
}

// unindent takes the space away that all lines begin with.
func unindent(text string) string {
	all := strings.Split(strings.ReplaceAll(strings.Trim(text, "\n"), "\t", "  "), "\n")
	for all[0] != "" && strings.HasPrefix(all[0], " ") {
		for i := range all {
			all[i] = strings.TrimPrefix(all[i], " ")
		}
	}
	return strings.Join(all, "\n")
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
