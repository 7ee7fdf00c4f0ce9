package setup

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// Find returns the signers of a host, as the drivers find them.
func Find(ctx context.Context, h found.Host, drivers []signer.Settings) (out []found.Signer) {
	for _, d := range drivers {
		finder, ok := d.(found.Finder)
		if !ok {
			continue
		}
		for _, s := range finder.Find(ctx, h) {
			if len(s.Keys) > 0 {
				s.Keys = usable(&s, d)
			}
			out = append(out, s)
		}
	}
	unlike(out, owners(out, h))
	return out
}

// plainName is a name of a signer that needs no quotes anywhere.
var plainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// owners returns, for each signer whose tables hold dkimbot's block, the name that stands there: under another one its
// first switch would be refused.
func owners(all []found.Signer, h found.Host) []string {
	out := make([]string, len(all))
	for i := range all {
		s := &all[i]
		for _, p := range s.Keys {
			text, _ := p.Value.(string)
			if !strings.HasSuffix(p.Key, "table") || out[i] != "" {
				continue
			}
			data, _ := h.Read(text[strings.IndexByte(text, ':')+1:]) // a table's path may have its kind before it
			owner := block.Owner(data)
			if !plainName.MatchString(owner) || slices.Contains(out, owner) {
				continue
			}
			out[i] = owner
			s.Remark(fmt.Sprintf("%s holds a block of dkimbot's signer %s, so the signer keeps that name. "+
				"If another configuration of dkimbot has this signer, use that one.", text, owner))
		}
	}
	return out
}

// unlike gives each signer a name of its own: that of its owner, or opendkim, opendkim2.
func unlike(all []found.Signer, owners []string) {
	taken := map[string]bool{}
	for _, owner := range owners {
		taken[owner] = true
	}
	for i := range all {
		s := &all[i]
		name := owners[i]
		for n := 1; name == ""; n++ {
			if name = s.Name; n > 1 {
				name += strconv.Itoa(n)
			}
			if taken[name] {
				name = ""
			}
		}
		s.Name, taken[name] = name, true
	}
}

// usable returns the keys of a signer's section, without those whose values the driver would refuse: that is said.
// Where the driver can't do without, there is no section.
func usable(s *found.Signer, of signer.Settings) []found.Pair {
	fields, out := of.Fields(), []found.Pair{{Key: "driver", Value: of.Driver().Name}}
	for _, p := range s.Keys {
		at := slices.IndexFunc(fields, func(f settings.Field) bool { return f.Key == p.Key })
		text, isText := p.Value.(string)
		if !isText || at < 0 {
			out = append(out, p)
			continue
		}
		_, problem := fields[at].ParseText(text, settings.Place{})
		if strings.ContainsFunc(text, unicode.IsControl) {
			problem = settings.Wrong("holds a control character", "remove it there")
		}
		if problem == nil {
			out = append(out, p)
			continue
		}
		s.Remark(fmt.Sprintf("%s %q %s: %s.", p.Key, text, problem.Text, problem.Remedy))
		if fields[at].Need != "" {
			return nil
		}
	}
	return out
}
