package console

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
)

// Others is what a run reports beside the domains that it worked on.
type Others struct {
	All      int            // how many domains the configuration lists; 0 where the run is for some of them
	Waiting  []rotate.State // what failed before and waits for its next try; only where all that is due is done
	Unlisted []rotate.State // what the configuration lists no more
	Released []rotate.State // what was released besides; only where keys of all domains are reported
}

// FindOthers finds what there is beside the domains; due says that all that is due is done.
func FindOthers(ctx context.Context, a *app.App, due bool, domains []rotate.Domain) (out Others, err error) {
	if due {
		out.All = len(a.Domains)
		if out.Waiting, err = a.Waiting(ctx, machine.Clock{}.Now()); err != nil {
			return out, err
		}
		out.Waiting = slices.DeleteFunc(out.Waiting, func(st rotate.State) bool {
			return slices.ContainsFunc(domains, func(d rotate.Domain) bool { return d.Name == st.Domain })
		})
	}
	out.Unlisted, err = a.Unlisted(ctx)
	return out, err
}

// Failing returns how many domains wait for their next try, and how many of them
// were refused for safety.
func (o Others) Failing() (failed, refused int) {
	for _, st := range o.Waiting {
		if st.Refused {
			refused++
		}
	}
	return len(o.Waiting), refused
}

// Retries says what waits for its next try.
func (o Others) Retries(t show.Text) { t.Retries(o.Waiting) }
