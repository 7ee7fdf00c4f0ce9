package lease

import (
	"context"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// For returns what the lease on a domain is asked for.
func For(want rotate.Domain, req rotate.Request) Asked {
	_, report := req.Instruction.(rotate.Compromised)
	return Asked{Verify: want.VerifyTimeout, Patience: req.Patience(), Report: report}
}

// Asking asks whether something may begin, for minutes perhaps. A report of a compromised key does not wait for the
// answer: another process may take the lease meanwhile. Then asking ends soon, and the loss of the lease is returned.
// Who asks has begun nothing, and does nothing else until then.
func (g *Held) Asking(ctx context.Context, ask func(context.Context) error) (err error) {
	g.renewFor(ports.LeaseAsking)
	defer func() {
		g.renewFor(ports.LeaseLength)
		if lost := g.Holds(); lost != nil {
			err = g.taken(lost)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, ports.WorkTime)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	return ask(ctx)
}

// taken says of a lease that another process has, in the words of who asked, why nothing begins.
func (g *Held) taken(lost error) error {
	if fault.KindOf(lost) != fault.Refused {
		return lost
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.LeaseLost,
		What: "ask whether the switch of " + g.Lease.Domain + " may begin",
		Err:  errors.New("another process has taken the domain over, as one does to which a compromised key is reported"),
		Hint: "nothing was begun; 'dkimbot status --domain " + g.Lease.Domain + "' says where the domain stands. " +
			"Run the command again if the switch is needed still"}
}

// renewFor renews the lease with another length, which it has from then on.
func (g *Held) renewFor(length time.Duration) {
	g.renewing.Lock()
	g.length = length
	g.renewing.Unlock()
	g.renew()
}
