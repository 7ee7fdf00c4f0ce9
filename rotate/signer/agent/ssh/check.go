package ssh

import (
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// mostClockError is how far a host's clock may be off: receivers may refuse signatures from the future, or
// expired ones.
const mostClockError = 5 * time.Minute

// Check says what is to be asked before the next switch: that ssh is there, that the host is known, lets dkimbot in and
// answers, that its clock is right, and that it tells what each domain is signed with. The host asks its own parts
// (dkimbot agent --check).
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	const client, answers = "program ssh", "host key, login and forced command"
	domains := preflight.Domains(of)
	within := s.cfg.Timeout + 10*time.Second // it then says itself what was waited for
	what := "connect to host " + s.cfg.Host + " of signer " + s.cfg.Name
	var last Answer
	var off time.Duration
	return []preflight.Question{
		{What: client, Ask: func(context.Context) error {
			if _, err := exec.LookPath(program); err != nil {
				return s.notRun(what, err, nil)
			}
			return nil
		}},
		{What: answers, Needs: client, Within: within, Found: func() string { return found(last) },
			Ask: func(ctx context.Context) error {
				before := time.Now()
				a, _, err := s.ask(ctx, what, protocol.Request{FormatVersion: formatVersion, Action: protocol.Active,
					Signer: s.cfg.Name, Domains: []protocol.Entry{}})
				last, off = a, max(0, before.Sub(a.At), time.Until(a.At))
				return err
			}},
		{What: "clock of the host", Needs: answers, Found: func() string { return differs(off) },
			Ask: func(context.Context) error {
				if off <= mostClockError {
					return nil
				}
				return fault.Lasting("use the clock of host "+s.cfg.Host, fmt.Errorf("it %s", differs(off)),
					"let the host keep its time (chrony, systemd-timesyncd): receivers can refuse signatures that are dated wrongly")
			}},
		{What: "what it signs with, as the host sees it", Domains: domains, Needs: answers, Within: within,
			Ask: func(ctx context.Context) error {
				if _, err := s.Active(ctx, domains); err != nil {
					return err
				}
				return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
			}},
	}
}

func differs(off time.Duration) string {
	return "differs from this machine's by " + off.Round(time.Second).String()
}

// found says who answered.
func found(a Answer) string {
	how := "without a forced command that sshd tells of"
	if a.Forced {
		how = "by a forced command"
	}
	return fmt.Sprintf("dkimbot %s on host %s, %s", printable(a.Version), printable(a.Host), how)
}
