package serve

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// dayOf is what comes next for some domains on one day.
type dayOf struct {
	Day, What string
	Names     []string
	More      int

	at time.Time
}

// days is what comes next within the days that are shown, by day and by what it is.
func days(f Fleet, now time.Time) (out []dayOf) {
	type key struct {
		day  string
		what string
	}
	at := map[key]int{}
	for _, st := range f.States {
		if st.Next == nil || report.Rests(st) != "" || st.Next.At.Sub(now) > daysShown*24*time.Hour {
			continue
		}
		when := st.Next.At
		if when.Before(now) {
			when = now
		}
		k := key{when.UTC().Format("Mon 2006-01-02"), show.Action(*st.Next)}
		i, known := at[k]
		if !known {
			i = len(out)
			at[k], out = i, append(out, dayOf{Day: k.day, What: k.what, at: when.UTC().Truncate(24 * time.Hour)})
		}
		if d := &out[i]; len(d.Names) < namesOnDay {
			d.Names = append(d.Names, st.Domain)
		} else {
			d.More++
		}
	}
	slices.SortStableFunc(out, func(a, b dayOf) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.What, b.What)) })
	return out
}

// keyTimes is the life of one key, as far as the history has it.
type keyTimes struct{ ID, Selector, Made, Published, From, Until, Gone string }

// keysOf describes the life of each key, the newest first.
func keysOf(events []rotate.Event) (out []keyTimes) {
	at, signs := map[string]int{}, ""
	for _, e := range events {
		if e.KeyID == "" || e.Outcome != codes.OutcomeDone {
			continue
		}
		i, known := at[e.KeyID]
		if !known {
			i = len(out)
			at[e.KeyID], out = i, append(out, keyTimes{ID: dkim.ShortID(e.KeyID), Selector: e.Selector})
		}
		k, when := &out[i], stamp(e.At)
		switch e.Kind {
		case rotate.StoreKey, rotate.Adopt:
			k.Made = cmp.Or(k.Made, when)
		case rotate.Publish:
			k.Published = cmp.Or(k.Published, when)
		case rotate.Activate:
			if signs != "" && signs != e.KeyID {
				out[at[signs]].Until = when
			}
			signs = e.KeyID
			k.From, k.Until = cmp.Or(k.From, when), ""
		case rotate.Destroy:
			k.Gone = when
		case rotate.Revoke:
			k.Gone = cmp.Or(k.Gone, "revoked "+when)
		}
	}
	slices.Reverse(out)
	return out
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
