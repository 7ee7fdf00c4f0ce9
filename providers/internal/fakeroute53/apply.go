package fakeroute53

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// apply carries out one change on sets, or says in the service's words why not.
func apply(sets map[key]Set, zone string, c xmlChange) []string {
	name := strings.ToLower(strings.TrimSuffix(c.Set.Name, ".")) + "."
	k := key{name, c.Set.Type}
	if name != zone && !strings.HasSuffix(name, "."+zone) {
		return []string{fmt.Sprintf("RRSet with DNS name %s is not permitted in zone %s", name, zone)}
	}
	set := Set{}
	for _, v := range c.Set.Values {
		set.Values = append(set.Values, v.Value)
	}
	if problems := check(name, c, set.Values); len(problems) > 0 {
		return problems
	}
	set.TTL = *c.Set.TTL
	old, exists := sets[k]
	switch c.Action {
	case "DELETE":
		if !exists {
			return []string{fmt.Sprintf("Tried to delete resource record set [name='%s', "+
				"type='%s'] but it was not found", name, k.kind)}
		}
		if old.TTL != set.TTL || !slices.Equal(sorted(old.Values), sorted(set.Values)) {
			return []string{fmt.Sprintf("Tried to delete resource record set [name='%s', "+
				"type='%s'] but the values provided do not match the current values", name, k.kind)}
		}
		delete(sets, k)
		return nil
	case "CREATE":
		if exists {
			return []string{fmt.Sprintf("Tried to create resource record set [name='%s', "+
				"type='%s'] but it already exists", name, k.kind)}
		}
	case "UPSERT":
	default:
		return []string{fmt.Sprintf("Invalid action %q", c.Action)}
	}
	for other := range sets {
		if other.name == name && other.kind != k.kind && (other.kind == "CNAME" || k.kind == "CNAME") {
			return []string{fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", k.kind, name, zone)}
		}
	}
	sets[k] = set
	return nil
}

func check(name string, c xmlChange, values []string) (problems []string) {
	if c.Set.TTL == nil || *c.Set.TTL < 0 || *c.Set.TTL > 1<<31-1 {
		problems = append(problems, fmt.Sprintf("Invalid TTL for [name='%s', type='%s']", name, c.Set.Type))
	}
	if len(values) == 0 {
		problems = append(problems, "Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], "+
			"or TrafficPolicyInstanceId], but found none")
	}
	for i, v := range values {
		if slices.Contains(values[:i], v) {
			problems = append(problems, fmt.Sprintf("Duplicate Resource Record: '%s'", v))
		}
		if c.Set.Type != "TXT" {
			continue
		}
		if _, problem := stringsOf(v); problem != "" {
			problems = append(problems, fmt.Sprintf("Invalid Resource Record: 'FATAL problem: "+
				"%s encountered with '%s''", problem, v))
		}
	}
	return problems
}

// stringsOf reads a TXT value: quoted strings of at most 255 octets, escapes \"
// \\ and \ooo in octal; octets that are not printable ASCII must be escaped.
func stringsOf(value string) (texts []string, problem string) {
	if len(value) > 4000 {
		return nil, "RDataTooLong (Value is too long)"
	}
	for rest := value; rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] != '"' {
			return nil, "InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
		var b strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] != '\\' {
				if rest[i] < ' ' || rest[i] > '~' {
					return nil, "UnsupportedCharacter (Value contains unsupported characters)"
				}
				b.WriteByte(rest[i])
				continue
			}
			if n, err := strconv.ParseUint(rest[min(i+1, len(rest)):min(i+4, len(rest))], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
			} else if i+1 < len(rest) {
				i++
				b.WriteByte(rest[i])
			}
		}
		if i >= len(rest) {
			return nil, "InvalidCharacterString (Value should be enclosed in quotation marks)"
		}
		if b.Len() > 255 {
			return nil, "CharacterStringTooLong (Value is too long)"
		}
		texts = append(texts, b.String())
		rest = rest[i+1:]
	}
	return texts, ""
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}
