package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
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
	unlike(out)
	return out
}

// unlike gives each signer a name of its own: opendkim, opendkim2.
func unlike(all []found.Signer) {
	times := map[string]int{}
	for i := range all {
		s := &all[i]
		if times[s.Name]++; times[s.Name] > 1 {
			s.Name = fmt.Sprint(s.Name, times[s.Name])
		}
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
