package kumomta

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// What may stand in a data file of dkim_sign, as its policy-extras/dkim_sign.lua declares it. One field that
// it does not know, or of another kind, and it refuses the whole file.
var (
	common = map[string]kind{"selector": isText, "headers": isTexts, "expiration": isNumber,
		"header_canonicalization": isText, "body_canonicalization": isText, "over_sign": isBool}
	inBase = with(common, map[string]kind{"vault_mount": isText, "vault_path_prefix": isText,
		"additional_signatures": isTexts, "policy": oneOf("Always")})
	inDomain = with(common, map[string]kind{"policy": oneOf("Always"), "algo": oneOf("sha256", "ed25519"),
		"filename": isText})
	inSignature = with(inDomain, map[string]kind{"domain": isText, "policy": oneOf("Always", "OnlyIfMissingDomainBlock")})
)

// kind says what is wrong with a value, "" for nothing.
type kind func(value any) string

func with(some, more map[string]kind) map[string]kind {
	out := maps.Clone(some)
	maps.Copy(out, more)
	return out
}

func isText(v any) string { return must[string](v, "a text") }
func isBool(v any) string { return must[bool](v, "true or false") }
func isNumber(v any) string {
	if _, ok := v.(float64); ok {
		return ""
	}
	return must[int64](v, "a number")
}

func must[T any](v any, what string) string {
	if _, ok := v.(T); ok {
		return ""
	}
	return "is not " + what
}

func isTexts(v any) string {
	list, ok := v.([]any)
	if !ok || slices.ContainsFunc(list, func(one any) bool { return isText(one) != "" }) {
		return "is not a list of texts"
	}
	return ""
}

func oneOf(words ...string) kind {
	return func(v any) string {
		if text, _ := v.(string); slices.Contains(words, text) {
			return ""
		}
		return "is not one of " + strings.Join(words, ", ")
	}
}

// section is one table of fields.
type section map[string]any

func (s section) text(field string) string {
	text, _ := s[field].(string)
	return text
}

// document is what a data file says.
type document struct {
	base               section
	domain, signatures map[string]section
}

// parse reads a data file as KumoMTA does, and says why it would refuse it.
func parse(data []byte) (document, error) {
	var all map[string]any
	d := document{domain: map[string]section{}, signatures: map[string]section{}}
	if err := toml.Unmarshal(data, &all); err != nil {
		if at := (*toml.DecodeError)(nil); errors.As(err, &at) {
			line, _ := at.Position()
			return d, fmt.Errorf("line %d: %w", line, err)
		}
		return d, err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		table, ok := all[name].(map[string]any)
		switch {
		case !ok && (name == "base" || name == "domain" || name == "signature"):
			return d, fmt.Errorf("%s is not a table", name)
		case name == "base":
			d.base = table
			if err := d.base.check("base", inBase); err != nil {
				return d, err
			}
		case name == "domain" || name == "signature":
			into, fields := d.domain, inDomain
			if name == "signature" {
				into, fields = d.signatures, inSignature
			}
			if err := tables(name, table, into, fields); err != nil {
				return d, err
			}
		default:
			return d, fmt.Errorf("KumoMTA knows no table or field %s", name)
		}
	}
	return d, nil
}

func tables(name string, all map[string]any, into map[string]section, fields map[string]kind) error {
	for _, key := range slices.Sorted(maps.Keys(all)) {
		table, ok := all[key].(map[string]any)
		if !ok {
			return fmt.Errorf("%s.%q is not a table", name, key)
		}
		into[key] = table
		if err := into[key].check(fmt.Sprintf("%s.%q", name, key), fields); err != nil {
			return err
		}
		if name == "signature" && into[key].text("domain") == "" {
			return fmt.Errorf("%s.%q has no domain", name, key)
		}
	}
	return nil
}

func (s section) check(name string, fields map[string]kind) error {
	for _, field := range slices.Sorted(maps.Keys(s)) {
		is, known := fields[field]
		if !known {
			return fmt.Errorf("KumoMTA knows no field %s in %s", field, name)
		}
		if problem := is(s[field]); problem != "" {
			return fmt.Errorf("%s in %s %s", field, name, problem)
		}
	}
	return nil
}

// of returns the section that a domain's mail is signed by: its own, or that of the nearest wildcard.
func (d document) of(domain string) section {
	if s, ok := d.domain[domain]; ok {
		return s
	}
	for rest := domain; ; {
		_, parent, ok := strings.Cut(rest, ".")
		if !ok {
			return nil
		}
		if s, ok := d.domain["*."+parent]; ok {
			return s
		}
		rest = parent
	}
}

// also returns the signatures that are added for a domain in its own name.
func (d document) also(domain string) (names []string) {
	listed, _ := d.base["additional_signatures"].([]any)
	for _, one := range listed {
		name, _ := one.(string)
		s := d.signatures[name]
		if strings.EqualFold(s.text("domain"), domain) &&
			(s.text("policy") != "OnlyIfMissingDomainBlock" || d.of(domain) == nil) {
			names = append(names, name)
		}
	}
	return names
}
