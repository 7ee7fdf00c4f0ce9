package wayout

import (
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// DrainBegun says until when mail that was signed with a selector is waited for. The code says what stands in DNS where
// that is not the selector's record, as after a flight from it: then mail in flight fails, and whoever reads that the
// drain began must not take the record for published.
func DrainBegun(j *health.Judge, s string) (codes.Code, string) {
	says := "begun; until " + calendar.Until(j.Have.SwitchedAt.Add(j.Have.Selector(s).DrainUnder(j.Want.Policy)))
	if health.ShownOf(j, s) != "" {
		return "", says
	}
	at := j.Standing(s)
	switch {
	case j.Taken(s) != nil || at == health.Foreign:
		return codes.RecordForeign, says + "; a record that is not its own stands in its place, so that mail in flight fails"
	case at == health.Absent || at == health.Earlier || shown.LedTo(j.Seen, j.Name(s)) != "":
		return codes.RecordVanished, says + "; its record is missing from DNS, so that mail in flight fails until it is back"
	}
	return "", says
}
