package onhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
)

// onHost is the parts of an agent.
type onHost struct {
	cfg   *config.Agent
	log   *slog.Logger
	store *vault.Store
	host  *host.Host

	last    agent.Report // that was reported
	failing bool         // the last turn failed
}

func newOnHost(ctx context.Context, cfg *config.Agent, log *slog.Logger) (*onHost, error) {
	signer, err := cfg.Signer.Open()
	if err != nil {
		return nil, err
	}
	name, err := os.Hostname()
	if err != nil {
		name = "unknown"
	}
	if cfg.Via == agent.ViaSSH {
		return &onHost{cfg: cfg, log: log, host: &host.Host{Name: name, Signer: signer}}, nil
	}
	store, err := app.OpenVault(ctx, cfg.Keystore.Vault)
	if err != nil {
		return nil, err
	}
	return &onHost{cfg: cfg, log: log, store: store, host: &host.Host{Agent: cfg.Name, Name: name,
		Version: console.Version(), Domains: cfg.Domains, Poll: cfg.Poll, Board: app.Board{Store: store}, Keys: store,
		Signer: signer, Now: machine.Clock{}.Now}}, nil
}

func (a *onHost) close() {
	if a.store != nil {
		a.store.Close()
	}
}

// questions are what is asked by --check.
func (a *onHost) questions(ctx context.Context) []preflight.Part {
	var wish agent.Wish
	var err error
	if a.store != nil {
		wish, err = a.wish(ctx)
	}
	var of []preflight.Subject
	for _, domain := range slices.Sorted(maps.Keys(wish.Keys)) {
		of = append(of, preflight.Subject{Name: dkim.Name{Domain: domain, Selector: wish.Keys[domain].Selector}})
	}
	for _, domain := range a.cfg.Domains {
		if _, wanted := wish.Keys[domain]; !wanted {
			of = append(of, preflight.Subject{Name: dkim.Name{Domain: domain, Selector: "s1"}})
		}
	}
	own := []preflight.Question{a.stateQuestion()}
	if a.store != nil {
		own = append(a.ownQuestions(wish, err), own...)
	}
	return []preflight.Part{
		{Kind: "agent", Name: a.cfg.Name, Questions: own},
		{Kind: "signer", Name: a.cfg.Signer.Settings.Driver().Name, Questions: preflight.Of(a.host.Signer, of)},
	}
}

// wish reads what is wanted.
func (a *onHost) wish(ctx context.Context) (agent.Wish, error) {
	page, err := a.host.Board.Read(ctx, agent.WishAt(a.cfg.Name))
	if err != nil {
		return agent.Wish{}, err
	}
	wish, err := agent.ReadWish(a.cfg.Name, page)
	if err != nil {
		return agent.Wish{}, fault.Lasting("read the wish for agent "+a.cfg.Name, err,
			"see who wrote it: vault kv metadata get "+
				strings.Replace(a.store.PageAt(agent.WishAt(a.cfg.Name)), "/data/", "/", 1))
	}
	return wish, nil
}

func (a *onHost) ownQuestions(wish agent.Wish, unread error) []preflight.Question {
	const reads = "right to read what is wanted"
	domains := slices.Sorted(maps.Keys(wish.Keys))
	found := "nothing yet"
	if len(domains) > 0 {
		found = fmt.Sprintf("number %d, for %s", wish.Sequence, report.Count(len(domains), "domain"))
	}
	return []preflight.Question{
		{What: reads, Found: func() string { return found }, Ask: func(context.Context) error { return unread }},
		{What: "right to write reports", Needs: reads, Ask: func(ctx context.Context) error {
			return a.needs(ctx, a.store.PageAt(agent.ReportAt(a.cfg.Name)), true)
		}},
		{What: "private keys that are wanted", Domains: domains, Needs: reads,
			Ask: func(ctx context.Context) error { return a.readable(ctx, wish).OrNil() }},
		{What: "no other right", Needs: reads, Ask: a.narrow},
	}
}

// stateQuestion is about the agent's memory.
func (a *onHost) stateQuestion() preflight.Question {
	return preflight.Question{What: "state_dir " + a.cfg.StateDir, Rights: true, Ask: func(context.Context) error {
		if err := safefile.MayMake(a.cfg.StateDir); err != nil {
			return preflight.Coded(codes.NotWritable, fault.Lasting("write in state_dir "+a.cfg.StateDir, err,
				"let the user that runs the agent write there, or name another state_dir"))
		}
		return host.CheckMemory(a.cfg.StateDir)
	}}
}

// needs returns an error when the token may not do what it has to.
func (a *onHost) needs(ctx context.Context, at string, write bool) error {
	may, err := a.store.Allowed(ctx, at, write)
	if err != nil || may {
		return err
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.VaultForbidden, What: "write " + at + " in Vault",
		Err:  errors.New("the policy of this token does not allow it"),
		Hint: `allow "create", "read" and "update" there; examples/agent/agent.hcl has all that an agent needs`}
}

// readable reads the keys that are wanted.
func (a *onHost) readable(ctx context.Context, wish agent.Wish) preflight.Failed {
	failed := preflight.Failed{}
	for domain, w := range wish.Keys {
		if _, err := host.Key(ctx, a.store, w.Ref(domain)); err != nil {
			failed[domain] = err
		}
	}
	return failed
}

// narrow asks for what an agent must not be able to do. Each of it would let who takes this host over sign for other
// domains, or have other hosts switched.
func (a *onHost) narrow(ctx context.Context) error {
	other := dkim.Name{Domain: "not-served-by-" + a.cfg.Name + ".invalid", Selector: "s1"}
	var wide []string
	for _, r := range []struct {
		may, at string
		write   bool
	}{
		{"read keys of other domains", a.store.KeyAt(other), false},
		{"write keys", a.store.KeyAt(other), true},
		{"read the wishes of other agents", a.store.PageAt(agent.WishAt(a.cfg.Name + "-other")), false},
		{"write what is wanted", a.store.PageAt(agent.WishAt(a.cfg.Name)), true},
		{"write the reports of other agents", a.store.PageAt(agent.ReportAt(a.cfg.Name + "-other")), true},
	} {
		may, err := a.store.Allowed(ctx, r.at, r.write)
		if err != nil {
			return err
		}
		if may {
			wide = append(wide, r.may)
		}
	}
	if len(wide) == 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.AgentRights, What: "check the rights of the agent's token",
		Err:  fmt.Errorf("it may do more than an agent needs: %s", strings.Join(wide, ", ")),
		Hint: "give it the policy of examples/agent/agent.hcl, with the domains of this host, and no other one"}
}
