package cli

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
)

// others is what a run tells of beside the domains that it worked on.
type others struct {
	all      int            // how many domains the configuration lists; 0 where the run is for some of them
	waiting  []rotate.State // what failed before and waits for its next try; only where all that is due is done
	unlisted []rotate.State // what the configuration lists no more
}

// findOthers finds what there is beside the domains; due says that all that is due is done.
func findOthers(ctx context.Context, a *app.App, due bool, domains []rotate.Domain) (out others, err error) {
	if due {
		out.all = len(a.Domains)
		if out.waiting, err = a.Waiting(ctx, app.Clock{}.Now()); err != nil {
			return out, err
		}
		out.waiting = slices.DeleteFunc(out.waiting, func(st rotate.State) bool {
			return slices.ContainsFunc(domains, func(d rotate.Domain) bool { return d.Name == st.Domain })
		})
	}
	out.unlisted, err = a.Unlisted(ctx)
	return out, err
}

// failing returns how many domains wait for their next try, and how many of them
// were refused for safety.
func (o others) failing() (failed, refused int) {
	for _, st := range o.waiting {
		if st.Refused {
			refused++
		}
	}
	return len(o.waiting), refused
}

// retries tells what waits for its next try.
func (p *program) retries(t show.Text, waiting []rotate.State) {
	for _, st := range waiting {
		t.Retry(st)
	}
}
