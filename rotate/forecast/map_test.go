package forecast_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

var update = flag.Bool("update", false, "write the maps of what is foreseen as they are now")

// lags says how long after its switch a signer has surely changed.
var lags = map[string]time.Duration{"mx1": 10 * time.Minute, "mx2": time.Minute}

// TestCalendarMap holds to testdata/calendars.txt what is foreseen for 50 days at each stage, as it is and when one
// thing is otherwise. Who means to change it runs it with -update, and reads each line that changes.
func TestCalendarMap(t *testing.T) {
	changes := map[string]func(*plantest.Scene){
		"as it is":                     func(*plantest.Scene) {},
		"a rotation asked for":         func(s *plantest.Scene) { s.Want.Asked = true },
		"the other selector is silent": func(s *plantest.Scene) { s.DNSSilent("s2") },
		"the keystore is silent":       func(s *plantest.Scene) { s.KeystoreSilent("s1") },
		"s2 holds a foreign record":    func(s *plantest.Scene) { s.Show("s2", plantest.ForeignRecord) },
		"s1 is missing":                func(s *plantest.Scene) { s.Show("s1") },
		"a key of before to destroy": func(s *plantest.Scene) {
			s.Selector("s1").Retired = []rotate.Retired{{KeyID: plantest.Keys()[3].ID(), Version: 1},
				{KeyID: plantest.Keys()[2].ID(), Version: 2, Dropped: true}}
		},
	}
	var out strings.Builder
	for _, stage := range plantest.Stages() {
		titles := map[string][]string{}
		for _, title := range slices.Sorted(maps.Keys(changes)) {
			s := plantest.New()
			stage.Change(s)
			changes[title](s)
			made := forecast.Of(startOf(s, lags), s.Now.Add(50*day))
			text := ""
			for _, c := range made.Coming {
				text += fmt.Sprintln(after(s.Now, c.At), c.Phase, stepOf(c.Step, s.Now))
			}
			text += fmt.Sprintln("until", after(s.Now, made.Until), stopOf(made.Stop))
			titles[text] = append(titles[text], title)
		}
		writeGroups(&out, stage.Name, titles)
	}
	plantest.Golden(t, "calendars.txt", out.String(), *update)
}

// TestEmergencyMap holds to testdata/emergencies.txt all that follows from a report of compromised keys, at each
// stage, as it is and when one thing is otherwise.
func TestEmergencyMap(t *testing.T) {
	changes := map[string]func(*plantest.Scene){
		"as it is":                  func(*plantest.Scene) {},
		"revoked now":               func(*plantest.Scene) {},
		"s2 is silent":              func(s *plantest.Scene) { s.DNSSilent("s2") },
		"a server lags":             func(s *plantest.Scene) { s.Lag("s2") },
		"a private key is missing":  func(s *plantest.Scene) { s.Hold("s2", "", 5) },
		"mx2 is silent":             func(s *plantest.Scene) { s.Silence("mx2") },
		"s2 holds a foreign record": func(s *plantest.Scene) { s.Show("s2", plantest.ForeignRecord) },
		"frozen":                    func(s *plantest.Scene) { s.Want.Limits = plantest.Frozen },
		"DNS is not asked":          (*plantest.Scene).Uncheck,
		"mx2 came back to s1":       func(s *plantest.Scene) { s.Drift("s1", plantest.Keys()[0].ID(), "mx2") },
		"mx2 was taken out":         func(s *plantest.Scene) { s.Want.Signers = []string{"mx1"} },
		"the keystore is silent":    silentKeystore,
		"the keystore is silent, signers fetch keys": func(s *plantest.Scene) {
			silentKeystore(s)
			s.Seen.Fetchers = map[string]bool{"mx1": true, "mx2": true}
		},
	}
	var out strings.Builder
	for _, stage := range plantest.Stages() {
		titles := map[string][]string{}
		for _, leaked := range []string{"s1", "s2", "s1 s2"} {
			for _, title := range slices.Sorted(maps.Keys(changes)) {
				s := plantest.New()
				stage.Change(s)
				changes[title](s)
				report := rotate.Compromised{Selectors: strings.Fields(leaked), RevokeNow: title == "revoked now"}
				have, _, err := order.Apply(s.Now, s.Want.Domain, rotate.Request{Instruction: report}, s.Have, s.Seen)
				if err != nil {
					continue
				}
				start := startOf(s, lags)
				start.Have = have
				made := forecast.Emergency(start)
				text := emergencyOf(made, s.Now)
				titles[text] = append(titles[text], leaked+" compromised, "+title)
			}
		}
		writeGroups(&out, stage.Name, titles)
	}
	plantest.Golden(t, "emergencies.txt", out.String(), *update)
}

func silentKeystore(s *plantest.Scene) {
	s.KeystoreSilent("s1")
	s.KeystoreSilent("s2")
}

// writeGroups writes what comes out, below those that it comes out for.
func writeGroups(out *strings.Builder, stage string, titles map[string][]string) {
	byTitle := map[string]string{}
	for text, these := range titles {
		byTitle[strings.Join(these, "; ")] = text
	}
	for _, title := range slices.Sorted(maps.Keys(byTitle)) {
		fmt.Fprintf(out, "# %s: %s\n%s", stage, title, byTitle[title])
	}
}

// emergencyOf writes all that follows from a report.
func emergencyOf(made rotate.DomainPlan, now time.Time) string {
	text := ""
	for _, step := range made.Steps {
		text += fmt.Sprintln(stepOf(step, now))
	}
	if made.Next != nil {
		text += fmt.Sprintln("next", after(now, made.Next.At), made.Next.Action, made.Next.Selector)
	}
	for _, w := range made.Warnings {
		text += fmt.Sprintln("warning", w.Code)
	}
	if made.Stop != nil {
		text += fmt.Sprintln(stopOf(made.Stop))
	}
	return text
}

// after writes how long after the beginning something is.
func after(now, t time.Time) string {
	if !t.After(now) {
		return "+0"
	}
	return "+" + calendar.Span(t.Sub(now))
}

func stopOf(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint("STOP ", fault.CodeOf(err), " ", fault.KindOf(err))
}

// stepOf writes a step; keys by the place that they have among those of the scenes.
func stepOf(s rotate.Step, now time.Time) string {
	text := fmt.Sprint(s.Kind, " ", strings.TrimSuffix(s.Selector+"/"+s.Signer, "/"))
	if !s.NotBefore.IsZero() {
		text += " " + after(now, s.NotBefore)
	}
	before, then := approval.FactsOf(s)
	return text + " " + facts(before) + ">" + facts(then)
}

func facts(f approval.Facts) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		v := f[name]
		for i, k := range plantest.Keys() {
			if v == k.ID() {
				v = fmt.Sprint("K", i)
			}
		}
		if v == approval.Generated {
			v = "fresh"
		}
		if v != "" && name != "record" {
			out = append(out, v)
		}
	}
	return strings.Join(out, ",")
}
