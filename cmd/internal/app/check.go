package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/serve"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check asks every part whether it has what the next rotation of the domains needs, and changes nothing. What is wrong
// stands in the answers; the error is ctx's.
func Check(ctx context.Context, cfg *config.Config, domains []rotate.Domain,
	log *slog.Logger) ([]preflight.Answer, error) {
	a := &App{Config: cfg, log: log}
	defer a.Close()
	dns, subjects := a.checkDNS(ctx, domains)
	parts := []preflight.Part{a.checkState(), a.checkKeystore(ctx, subjects)}
	parts = append(parts, a.checkProviders(ctx, domains, subjects)...)
	parts = append(parts, a.checkSigners(ctx, domains, subjects)...)
	parts = slices.Concat(parts, notifyConfig(cfg, "", log).Check(), serve.Check(cfg.Serve.Listen))
	answers := preflight.Ask(ctx, parts, preflight.Usual)
	at := slices.IndexFunc(answers, func(a preflight.Answer) bool { return a.Kind == "signer" })
	if at < 0 {
		at = len(answers)
	}
	answers = slices.Insert(answers, at, dns...)
	return append(answers, a.checkDomains(ctx, domains, answers)...), ctx.Err()
}

// asked returns a part with the questions that it has about these names; one that has none is fine.
func asked(kind, name string, part any, of []preflight.Subject) preflight.Part {
	return preflight.Part{Kind: kind, Name: name, Questions: preflight.Of(part, of)}
}

func (a *App) checkState() preflight.Part {
	path := a.Config.State.Path
	return preflight.Part{Kind: "state", Name: path, Questions: []preflight.Question{
		{What: "can be read", Ask: func(ctx context.Context) error {
			r, err := (&App{Config: a.Config}).openState(ctx)
			if err != nil {
				return err
			}
			return r.Close()
		}},
		{What: "can be written", Rights: true, Disk: true, Ask: func(context.Context) error {
			err := safefile.MayMake(filepath.Dir(path))
			if err == nil {
				err = safefile.MayAppend(path)
			}
			if err == nil {
				return nil
			}
			hint := "let the user that runs dkimbot write in " + filepath.Dir(path) + ", or name another state.path"
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
				hint = "free some megabytes there: df " + filepath.Dir(path) + " (inodes: df -i); no key is rotated, and none " +
					"revoked, until there is room"
			} else if errors.Is(err, syscall.EROFS) {
				hint = "mount it for writing again: mount -o remount,rw " + filepath.Dir(path) + " (dmesg says whether an error of the " +
					"disk made it so), or add it to ReadWritePaths= of the systemd unit"
			}
			return &fault.Error{Kind: fault.Permanent, Code: codes.NotWritable, What: "write the state database " + path,
				Err: err, Hint: hint}
		}},
	}}
}

func (a *App) checkKeystore(ctx context.Context, of []preflight.Subject) preflight.Part {
	name := "in files"
	if a.Config.Keystore.Vault != nil {
		name = "in Vault"
	}
	states, err := a.openState(ctx)
	if err != nil {
		states = nil // checkState reports it
	}
	keys, err := a.openKeysReadOnly(ctx, states)
	if err != nil {
		return asked("keystore", name, closed{err}, of)
	}
	return asked("keystore", name, keys, of)
}

func (a *App) checkProviders(ctx context.Context, domains []rotate.Domain,
	of []preflight.Subject) (parts []preflight.Part) {
	using := byName(domains, rotate.Domain.Accounts)
	if len(domains) == len(a.Config.Domains) {
		withUnused(using, a.Config.Providers)
	}
	for _, name := range slices.Sorted(maps.Keys(using)) {
		p, err := providers.New(ctx, a.Config.Providers[name])
		if err != nil {
			parts = append(parts, asked("provider", name, closed{err}, only(of, using[name])))
			continue
		}
		parts = append(parts, asked("provider", name, p, only(of, using[name])))
	}
	return parts
}

// hostChecker is implemented by settings that can be compared with what the signer's own program says on this host.
type hostChecker interface {
	CheckHost(of []preflight.Subject) []preflight.Question
}

func (a *App) checkSigners(ctx context.Context, domains []rotate.Domain,
	of []preflight.Subject) (parts []preflight.Part) {
	using := byName(domains, func(d rotate.Domain) []string { return d.Signers })
	if len(domains) == len(a.Config.Domains) {
		withUnused(using, a.Config.Signers)
	}
	probers := newProbers(a.Config, nil) // no message is sent, so DNS is not asked
	for _, name := range slices.Sorted(maps.Keys(using)) {
		s, err := a.Config.Signers[name].Open()
		if err == nil {
			a.onBoard(ctx, s, nil)
		}
		part := asked("signer", name, s, only(of, using[name]))
		if err != nil {
			part = asked("signer", name, closed{err}, only(of, using[name]))
		}
		if host, ok := a.Config.Signers[name].Settings.(hostChecker); ok {
			part.Questions = append(part.Questions, host.CheckHost(only(of, using[name]))...)
		}
		if p := probers[name]; p != nil {
			part.Questions = append(part.Questions, p.Check()...)
		}
		parts = append(parts, part)
	}
	return parts
}

// byName returns the domains that use each of what names returns.
func byName(domains []rotate.Domain, names func(rotate.Domain) []string) map[string][]string {
	out := map[string][]string{}
	for _, d := range domains {
		for _, name := range names(d) {
			out[name] = append(out[name], d.Name)
		}
	}
	return out
}

// withUnused adds the parts that no domain uses yet: they are asked for what does not depend on a domain.
func withUnused[T any](using map[string][]string, all map[string]T) {
	for name := range all {
		if _, used := using[name]; !used {
			using[name] = nil
		}
	}
}

func only(of []preflight.Subject, domains []string) (out []preflight.Subject) {
	for _, s := range of {
		if slices.Contains(domains, s.Domain) {
			out = append(out, s)
		}
	}
	return out
}

// checkDNS looks up every selector's name, as a rotation does. It returns the answers, and for each selector the zone
// and the name at which its record stands.
func (a *App) checkDNS(ctx context.Context, domains []rotate.Domain) ([]preflight.Answer, []preflight.Subject) {
	part := preflight.Part{Kind: "name servers", Name: "of the zones"}
	look, err := newLooker(a.Config)
	if err == nil {
		err = a.Listen(true)
	}
	if err != nil {
		part = asked(part.Kind, part.Name, closed{err}, nil)
	}
	var mu sync.Mutex
	seen := map[dkim.Name]rotate.Sight{}
	for _, d := range domains {
		if err != nil {
			break
		}
		part.Questions = append(part.Questions, preflight.Question{What: "answer", Domains: []string{d.Name},
			Ask: func(ctx context.Context) error {
				sights, err := lookAll(ctx, look, d)
				mu.Lock()
				defer mu.Unlock()
				maps.Copy(seen, sights)
				return err
			}})
	}
	answers := preflight.Ask(ctx, []preflight.Part{part}, preflight.Usual)
	mu.Lock()
	defer mu.Unlock()
	var of []preflight.Subject
	for _, d := range domains {
		for _, s := range d.Policy.Selectors {
			name := dkim.Name{Domain: d.Name, Selector: s}
			sight := seen[name]
			sub := preflight.Subject{Name: name, Zone: sight.Zone, Owner: sight.Owner}
			if sub.Zone == "" {
				sub.Zone, sub.Owner = a.zoneOf(d.Name), name.String()
			}
			of = append(of, sub)
		}
	}
	return answers, of
}

// lookAll looks up all selectors of a domain at once, so that the zone of each is known where servers of one DNS
// account are silent: the others are asked, too. The error is that of the first selector with one.
func lookAll(ctx context.Context, look looker, d rotate.Domain) (map[dkim.Name]rotate.Sight, error) {
	all := d.Policy.Selectors
	sights, errs := make([]rotate.Sight, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() {
			name := dkim.Name{Domain: d.Name, Selector: s}
			if sights[i], errs[i] = look.Look(ctx, name); errs[i] == nil && !yetToCome(d, sights[i]) {
				errs[i] = unanswered(name, sights[i])
			}
		})
	}
	wg.Wait()
	seen := map[dkim.Name]rotate.Sight{}
	for i, s := range all {
		seen[dkim.Name{Domain: d.Name, Selector: s}] = sights[i]
	}
	return seen, cmp.Or(errs...)
}

// zoneOf returns the zone that the configuration names for a domain, "" for none.
func (a *App) zoneOf(domain string) string {
	for _, d := range a.Config.Domains {
		if d.Name == domain {
			return d.Zone
		}
	}
	return ""
}

// yetToCome reports whether servers differ only because one of the domain's DNS accounts has no record yet. That is
// no fault: the next run publishes it there.
func yetToCome(d rotate.Domain, s rotate.Sight) bool {
	lags := func(server string) bool { return !strings.HasSuffix(server, "shows no record") }
	return len(d.Also) > 0 && !s.Silent && len(s.Values) < 2 && !slices.ContainsFunc(s.Lagging, lags)
}

// unanswered returns an error where servers gave no answer, or another one than the rest; nil where all agree.
func unanswered(name dkim.Name, s rotate.Sight) error {
	if s.Complete || s.Unchecked {
		return nil
	}
	f := &fault.Error{Kind: fault.Transient, Code: codes.ServersDiffer, What: "look up " + name.String(),
		Err:  errors.New("not every server shows the same: " + strings.Join(s.Lagging, "; ")),
		Hint: "see whether these servers get the zone's changes; a record counts as published when all show it"}
	if s.Silent {
		f.Code, f.Err = codes.ServersSilent, errors.New("not every server answers: "+strings.Join(s.Lagging, "; "))
		f.Hint = "see whether these servers run, and whether a firewall lets UDP and TCP pass to them; " +
			"a record counts as published when all show it"
	}
	return f
}
