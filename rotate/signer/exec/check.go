package exec

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Check says what is to be asked before the next switch: that the command is there, and what it says signs
// now. Whether it could switch, only a switch shows.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains, command := preflight.Domains(of), fmt.Sprintf("command %s", s.cfg.Command[0])
	signs := "answer to what signs now"
	if s.cfg.Milter != "" {
		signs += ", and the milter at " + s.cfg.Milter
	}
	return []preflight.Question{
		{What: command, Ask: func(context.Context) error {
			return preflight.Command("run the command of signer "+s.cfg.Name, s.cfg.Command, "command")
		}},
		{What: signs, Domains: domains, Needs: command, Within: 2 * s.cfg.Timeout, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
	}
}
