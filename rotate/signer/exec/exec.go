package exec

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Signer runs the command. It is safe for concurrent use; runs don't overlap.
type Signer struct {
	cfg Config
	one chan struct{} // held while the command runs
}

// New checks cfg; it runs nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 30*time.Second)
	return &Signer{cfg: cfg, one: make(chan struct{}, 1)}, nil
}

// Lag is what the configuration says.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// Fetches reports whether the command gets its private keys elsewhere (send_key is not set).
func (s *Signer) Fetches() bool { return !s.cfg.SendKey }

func (s *Signer) peer() *protocol.Peer {
	return &protocol.Peer{Signer: s.cfg.Name, Called: "the command", Output: "standard output",
		Silent: "the command wrote nothing on standard output", SendKey: s.cfg.SendKey, Send: s.run, Misbehaved: s.misbehaved}
}

// Active asks the command what the domains are signed with, and the milter if there is one: what that
// signs with counts. Domains that the command names without being asked are ignored. A key id that it
// leaves out is "".
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	active, err := s.peer().Active(ctx, domains)
	if err != nil || len(domains) == 0 {
		return active, err
	}
	return s.witness().Seen(ctx, domains, active, nil)
}

// Activate gives all keys to one run of the command, and has the milter prove the switch if there is one. When
// some domains are confirmed and others not, the error is a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	sw, err := s.peer().Activate(ctx, keys)
	if err != nil {
		return err
	}
	if len(sw.Asked) > 0 {
		if err := s.witness().Prove(ctx, slices.Collect(maps.Values(sw.Asked)), sw.Failed); err != nil {
			return err
		}
	}
	return signer.Partial(sw.Failed, sw.Given)
}

// witness is the milter that signs, if there is one: a command can say what it likes.
func (s *Signer) witness() milter.Witness {
	return milter.Witness{Signer: s.cfg.Name, Milter: s.cfg.Milter, Patience: s.cfg.Timeout,
		Remedy: fmt.Sprintf("see whether the command %q makes this milter switch, and how long that takes; "+
			"timeout bounds the wait for it, too", s.cfg.Command[0])}
}

// Forget notifies the command that these keys are not in use any more.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	return s.peer().Forget(ctx, keys)
}

// run runs the command, one run at a time.
func (s *Signer) run(ctx context.Context, what string, r protocol.Request, document []byte) ([]byte, error) {
	select {
	case s.one <- struct{}{}:
		defer func() { <-s.one }()
	case <-ctx.Done():
		return nil, fault.Temporary(what, context.Cause(ctx),
			"see what holds the command up; it is run once at a time, and tried again by itself")
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Command, Env: environment(r), Stdin: document,
		Timeout: s.cfg.Timeout})
	if err == nil {
		return res.Stdout, nil
	}
	if said := child.Tail(r.Scrub(res.Stderr)); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return nil, s.notRun(what, err)
}

func environment(r protocol.Request) []string {
	env := []string{"DKIMBOT_ACTION=" + r.Action, "DKIMBOT_SIGNER=" + r.Signer}
	if len(r.Domains) != 1 {
		return env
	}
	for variable, value := range map[string]string{"DOMAIN": r.Domains[0].Domain, "SELECTOR": r.Domains[0].Selector,
		"KEY_ID": r.Domains[0].KeyID} {
		if value != "" {
			env = append(env, "DKIMBOT_"+variable+"="+value)
		}
	}
	return env
}

// misbehaved is a fault in what the command answered.
func (s *Signer) misbehaved(what string, err error) error {
	return fault.Temporary(what, err,
		fmt.Sprintf("correct the command %q; it must answer with what signs now", s.cfg.Command[0]))
}

// notRun is a fault in running it.
func (s *Signer) notRun(what string, err error) error {
	if missing := preflight.Command(what, s.cfg.Command, "command"); missing != nil {
		return missing
	}
	return fault.Temporary(what, err, "run it by hand to see why: "+child.Shell(s.cfg.Command))
}
