package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// busyTime is how long an address is waited for that another dkimbot may listen on for a probe of its own.
const busyTime = 10 * time.Second

// Check says what is to be asked before a probe is sent: whether the mail server lets dkimbot in, and
// whether the message could come back. No message is sent.
func (p *Prober) Check() []preflight.Question {
	r := p.Config.Receive
	back := "probe: address " + r.Listen
	switch {
	case r.Maildir != "":
		back = "probe: mailbox " + r.Maildir
	case r.IMAP != "":
		back = "probe: mailbox at " + r.IMAP
	}
	return []preflight.Question{
		{What: "probe: mail server " + p.Config.Submit, Ask: p.checkSubmit},
		{What: back, Ask: p.checkReceive},
	}
}

func (p *Prober) checkSubmit(ctx context.Context) error {
	m, err := p.Config.dial(ctx)
	if err == nil {
		m.close()
		return nil
	}
	return p.missing(ctx, "log in to the mail server "+p.Config.Submit, err,
		"see whether it runs, and correct probe.submit, username, password and ca_file of signer "+p.Signer)
}

func (p *Prober) checkReceive(ctx context.Context) error {
	what := "open the mailbox for probes"
	if r := p.Config.Receive; r.Listen != "" {
		what = "listen on " + r.Listen
		wait, cancel := context.WithTimeout(ctx, busyTime)
		defer cancel()
		stop, err := p.Listeners.listen(wait, r.Listen, newCatch(p.Config.to()))
		if err == nil {
			stop()
			return nil
		}
		return p.missing(ctx, what, err, "name an address of this machine and a port that is free, and that dkimbot may use")
	}
	_, shut, err := p.mailbox(ctx)
	if err != nil {
		return p.missing(ctx, what, err, "correct probe.receive of signer "+p.Signer+
			", and let the user that runs dkimbot read the mailbox")
	}
	shut()
	return nil
}

func (p *Prober) missing(ctx context.Context, what string, err error, hint string) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.ProbeFailed,
		What: fmt.Sprintf("%s (probe of signer %s)", what, p.Signer), Err: plain(err), Hint: cmpHint(err, hint)}
}
