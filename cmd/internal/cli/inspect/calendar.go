package inspect

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// calendar prints what is to come for the domains.
func (how Planning) calendar(ctx context.Context, cfg *config.Config, domains []rotate.Domain,
	length time.Duration) error {
	a, err := app.OpenReadOnly(ctx, cfg, time.Time{})
	if err != nil {
		return err
	}
	defer a.Close()
	from := a.Planner.Clock.Now()
	outlooks, err := a.Forecast(ctx, domains, from, length)
	if ctx.Err() != nil {
		return how.Unchanged()
	}
	if err != nil {
		return err
	}
	doc, failed, refused := report.NewCalendar(from, from.Add(length), outlooks), 0, 0
	for _, o := range outlooks {
		if o.Stop != nil {
			failed++
			if fault.KindOf(o.Stop) == fault.Refused {
				refused++
			}
		}
	}
	switch how.Form {
	case console.FormJSON:
		err = report.JSON(how.Out, doc)
	case console.FormMarkdown:
		show.Markdown{W: how.Out, Now: from}.Calendar(doc, how.whole)
	default:
		how.Text().Calendar(doc, how.whole)
	}
	if err != nil {
		return err
	}
	return console.Ended(len(outlooks), failed, refused)
}
