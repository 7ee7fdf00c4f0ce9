package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
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

// Active asks the command what the domains are signed with, and the milter if there is one: what that
// signs with counts. Domains that the command names without being asked are ignored. A key id that it
// leaves out is "".
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	req := request{Action: "active"}
	for _, d := range domains {
		req.Domains = append(req.Domains, entry{Domain: d})
	}
	what := "ask signer " + s.cfg.Name + " what it signs with"
	ans, err := s.ask(ctx, what, req)
	if err != nil {
		return nil, err
	}
	active := map[string]dkim.Ref{}
	for _, d := range domains {
		a, ok := ans.Active[d]
		if !ok {
			continue
		}
		if err := a.check(d, req); err != nil {
			return nil, s.misbehaved(what, fmt.Errorf("its answer for %s: %w", d, err))
		}
		active[d] = dkim.Ref{Name: dkim.Name{Domain: d, Selector: a.Selector}, KeyID: a.KeyID}
	}
	return s.witness().Seen(ctx, domains, active, nil)
}

// Activate gives all keys to one run of the command, and has the milter prove the switch if there is one. When
// some domains are confirmed and others not, the error is a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	req := request{Action: "activate"}
	failed := map[string]error{}
	asked := map[string]dkim.SigningKey{}
	for _, k := range keys {
		switch twin, twice := asked[k.Domain]; {
		case k.Name.Check() != nil:
			failed[k.Domain] = fault.Lasting(s.what(k.Name), k.Name.Check(),
				"correct the domain or selector in the configuration")
		case k.Key == nil && (s.cfg.SendKey || k.Ref().KeyID == ""):
			failed[k.Domain] = fault.Lasting(s.what(k.Name), errors.New("there is no private key"), "report this as a defect")
		case twice && twin.Ref() != k.Ref():
			failed[k.Domain] = fault.Lasting(s.what(k.Name), errors.New("two keys are given for one domain"),
				"report this as a defect")
		default:
			asked[k.Domain] = k
		}
	}
	n := len(asked)
	for d := range failed {
		if _, ok := asked[d]; !ok {
			n++
		}
		delete(asked, d)
	}
	for _, k := range asked {
		req.Domains = append(req.Domains, s.entry(k))
	}
	if len(asked) > 0 {
		if err := s.activate(ctx, req, asked, failed); err != nil {
			return err
		}
		if err := s.witness().Prove(ctx, slices.Collect(maps.Values(asked)), failed); err != nil {
			return err
		}
	}
	return signer.Partial(failed, n)
}

func (s *Signer) entry(k dkim.SigningKey) entry {
	e := entry{Domain: k.Domain, Selector: k.Selector, KeyID: k.Ref().KeyID, Record: k.Record}
	if k.Key != nil {
		e.Record = dkim.NewRecord(k.Key.Public(), "").String()
	}
	if s.cfg.SendKey {
		e.PrivateKey = string(k.Key.PEM())
	}
	return e
}

// activate runs the command and checks its answer for every domain asked for.
func (s *Signer) activate(ctx context.Context, req request, asked map[string]dkim.SigningKey,
	failed map[string]error) error {
	ans, err := s.ask(ctx, "activate keys of "+req.subject()+" on signer "+s.cfg.Name, req)
	if err != nil {
		return err
	}
	for domain, k := range asked {
		a, ok := ans.Active[domain]
		unfit := a.check(domain, req)
		switch {
		case !ok:
			err = errors.New("the command does not confirm this domain")
		case unfit != nil:
			err = fmt.Errorf("the command's answer: %w", unfit)
		case a.Selector != k.Selector:
			err = fmt.Errorf("the command says that %q signs", a.Selector)
		case a.KeyID != "" && a.KeyID != k.Ref().KeyID:
			err = fmt.Errorf("the command says that another key signs, %s instead of %s", a.KeyID, k.Ref().KeyID)
		default:
			continue
		}
		failed[domain] = s.misbehaved(s.what(k.Name), err)
	}
	return nil
}

// witness is the milter that signs, if there is one: a command can say what it likes.
func (s *Signer) witness() milter.Witness {
	return milter.Witness{Signer: s.cfg.Name, Milter: s.cfg.Milter, Patience: s.cfg.Timeout,
		Remedy: fmt.Sprintf("see whether the command %q makes this milter switch, and how long that takes; "+
			"timeout bounds the wait for it, too", s.cfg.Command[0])}
}

// Forget tells the command that these keys are not in use any more.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	if len(keys) == 0 {
		return nil
	}
	req := request{Action: "forget"}
	for _, k := range keys {
		if err := k.Check(); err != nil {
			return fault.Lasting("forget a key on signer "+s.cfg.Name, err, "report this as a defect")
		}
		req.Domains = append(req.Domains, entry{Domain: k.Domain, Selector: k.Selector, KeyID: k.KeyID})
	}
	_, err := s.run(ctx, "forget keys of "+req.subject()+" on signer "+s.cfg.Name, req)
	return err
}

func (s *Signer) what(n dkim.Name) string {
	return fmt.Sprintf("activate %s on signer %s", n, s.cfg.Name)
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
	return fault.Temporary(what, err, fmt.Sprintf("run %q by hand to see why", slices.Clone(s.cfg.Command)))
}
