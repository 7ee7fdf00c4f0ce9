package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// mostClockError is how far a host's clock may be off: receivers may refuse signatures from the future, or
// expired ones.
const mostClockError = 5 * time.Minute

// never is the number of a version that no document reaches.
const never = 1 << 30

// mayWrite asks for a wish that follows a version that is not there, which is refused for just that where wishes may be
// written: nothing is.
func (s *Signer) mayWrite(ctx context.Context) error {
	_, err := s.board.Write(ctx, WishAt(s.cfg.Agent), []byte("{}"), never)
	if fault.CodeOf(err) == codes.VersionConflict {
		return nil
	}
	return err
}

// Check says what is to be asked before the next switch: that the agent reports, that its clock is right, that no other
// host reported under its name and is waited for, that its report says what each domain is signed with, and that what
// is wanted may be written. The agent asks its own host (dkimbot agent --check).
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	var last, clock, hosts string
	return []preflight.Question{
		{What: "last report", Found: func() string { return last }, Ask: func(ctx context.Context) error {
			v, err := s.look(ctx)
			if err != nil {
				return err
			}
			last = fmt.Sprintf("%s ago, by dkimbot %s on host %s", v.reported.Age().Round(time.Second), v.report.Version,
				v.report.Host)
			if v.garbled != nil {
				last += "; what stands in the place of what is wanted can't be read, and is written again at the next switch: " +
					v.garbled.Error()
			}
			if err := v.silent(); err != nil {
				return v.away("read the last report of agent "+s.cfg.Agent, err)
			}
			return nil
		}},
		{What: "clock of the host", Needs: "last report", Found: func() string { return clock },
			Ask: func(ctx context.Context) error {
				v, err := s.look(ctx)
				if err != nil {
					return err
				}
				off := v.report.At.Sub(v.reported.Written)
				clock = fmt.Sprintf("differs from Vault's by %s", calendar.Span(off.Abs().Round(time.Second)))
				if off.Abs() > mostClockError {
					return fault.Lasting("use the clock of host "+v.report.Host, fmt.Errorf("it %s", clock),
						"let the host keep its time (chrony, systemd-timesyncd): receivers can refuse signatures that are dated wrongly")
				}
				return nil
			}},
		{What: "hosts of that name", Needs: "last report", Found: func() string { return hosts },
			Ask: func(ctx context.Context) error {
				v, err := s.look(ctx)
				if err != nil {
					return err
				}
				if hosts = "one"; v.gone(v.report.Instance) {
					return v.alive()
				}
				return v.lost()
			}},
		{What: "what it signs with, as reported", Domains: domains, Needs: "last report",
			Ask: func(ctx context.Context) error {
				if _, err := s.Active(ctx, domains); err != nil {
					return err
				}
				return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
			}},
		{What: "right to write what is wanted of the agent", Rights: true, Ask: s.mayWrite},
	}
}
