package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// statusFilter is which domains a status is about.
type statusFilter struct {
	domains, providers, signers, phases []string
	failing                             bool
}

func (s *statusFilter) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&s.domains, "domain", nil,
		"only this `domain`, or those that a pattern such as '*.example.com' fits; may be repeated")
	f.StringArrayVar(&s.phases, "phase", nil, "only domains in this `phase`; may be repeated")
	f.BoolVar(&s.failing, "failing", false, "only domains whose last attempt failed")
	f.StringArrayVar(&s.providers, "provider", nil, "only domains whose DNS is with this `provider`; may be repeated")
	f.StringArrayVar(&s.signers, "signer", nil, "only domains that this `signer` signs for; may be repeated")
}

// check finds flags that don't go together, and phases that are none.
func (s *statusFilter) check(all, brief, check bool) error {
	if all && brief {
		return errors.New("--all shows everything, and --brief only the summary: give one of them")
	}
	if check && (all || brief) {
		return errors.New("--check prints one line: leave --all and --brief out")
	}
	for _, p := range s.phases {
		if !slices.Contains(rotate.Phases(), rotate.Phase(p)) {
			return fmt.Errorf("--phase %s: there is no such phase; the phases are %s", p, joined(rotate.Phases()))
		}
	}
	for _, d := range s.domains {
		if _, err := path.Match(d, ""); err != nil {
			return fmt.Errorf("--domain %s: the pattern is wrong: in it, a star is any text and a question mark one character", d)
		}
	}
	return nil
}

func joined[T ~string](all []T) string {
	var out []string
	for _, one := range all {
		out = append(out, string(one))
	}
	return strings.Join(out, ", ")
}

// named reports that every domain is named as it is.
func (s *statusFilter) named() bool {
	return len(s.domains) > 0 && !slices.ContainsFunc(s.domains, isPattern)
}

// narrow reports that not all domains are asked for.
func (s *statusFilter) narrow() bool {
	return s.failing || len(s.domains)+len(s.providers)+len(s.signers)+len(s.phases) > 0
}

func isPattern(domain string) bool { return strings.ContainsAny(domain, "*?[") }

// choose returns the domains of the configuration that are asked for.
func (s *statusFilter) choose(cfg *config.Config) ([]rotate.Domain, error) {
	domains := cfg.RotateDomains()
	if len(s.domains) > 0 {
		var names []string
		for _, want := range s.domains {
			if !isPattern(want) {
				names = append(names, want)
				continue
			}
			for _, d := range domains {
				if fits, _ := path.Match(strings.ToLower(want), d.Name); fits {
					names = append(names, d.Name)
				}
			}
		}
		if len(names) == 0 {
			return nil, nil
		}
		var err error
		if domains, err = console.Choose(cfg, names); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(domains, func(d rotate.Domain) bool {
		return len(s.providers) > 0 && !anyOf(s.providers, d.Accounts()) || len(s.signers) > 0 && !anyOf(s.signers, d.Signers)
	}), nil
}

// known says which provider or signer the configuration does not have; nil for none.
func (s *statusFilter) known(cfg *config.Config) error {
	return cmp.Or(known("provider", s.providers, cfg.Providers), known("signer", s.signers, cfg.Signers))
}

func known[T any](what string, names []string, have map[string]T) error {
	for _, n := range names {
		if _, ok := have[n]; !ok {
			problem, remedy := settings.Unknown(what, n, slices.Collect(maps.Keys(have)))
			return fmt.Errorf("--%s names nothing that is configured: %s: %s", what, problem, remedy)
		}
	}
	return nil
}

// wants reports whether a state is among those that are asked for.
func (s *statusFilter) wants(st rotate.State) bool {
	return (!s.failing || st.Failures > 0) &&
		(len(s.phases) == 0 || slices.Contains(s.phases, string(cmp.Or(st.Phase, rotate.New))))
}

// anyOf reports whether one of the names is among those that are asked for.
func anyOf(asked, names []string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(asked, n) })
}
