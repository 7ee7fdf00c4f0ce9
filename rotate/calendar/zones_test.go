package calendar_test

import (
	"archive/zip"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// A yearly schedule loses no year and gains none, and a window opens once, in no time
// zone and in no year: each change of clocks in the database is held against a clock
// that is read minute by minute.

// zones returns every time zone of the database that comes with Go, one of those
// that are alike.
func zones(t *testing.T) map[string]*time.Location {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	out, seen := map[string]*time.Location{}, map[string]bool{}
	for _, f := range archive.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(data)] {
			continue
		}
		seen[string(data)] = true
		if out[f.Name], err = time.LoadLocation(f.Name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// change is a moment at which a zone's clocks are set.
type change struct {
	at    time.Time
	shift time.Duration
}

// changes returns when zone's clocks are set from 1990 to 2040.
func changes(zone *time.Location) (out []change) {
	end := time.Date(2040, time.December, 31, 0, 0, 0, 0, time.UTC)
	for at := time.Date(1990, time.January, 1, 0, 0, 0, 0, time.UTC).In(zone); ; {
		_, next := at.ZoneBounds()
		if next.IsZero() || next.After(end) {
			return out
		}
		_, before := next.Add(-1).Zone()
		if _, after := next.Zone(); after != before {
			out = append(out, change{next, time.Duration(after-before) * time.Second})
		}
		if !next.After(at) { // see bound
			next = at.AddDate(0, 0, 1)
		}
		at = next
	}
}

const minutely = "2006-01-02 15:04"

// fires reads zone's clock minute by minute and returns, for each time that it could
// show, the first minute at which it showed it or had passed it, and all these minutes.
func fires(zone *time.Location, from, to time.Time) (map[string]time.Time, []time.Time) {
	first, all := map[string]time.Time{}, []time.Time{}
	var high time.Time // the latest time shown so far, as UTC
	for at := from; !at.After(to); at = at.Add(time.Minute) {
		w := at.In(zone)
		shown := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), 0, 0, time.UTC)
		if high.IsZero() {
			high = shown
		}
		if shown.After(high) {
			all = append(all, at)
		}
		for ; high.Before(shown); high = high.Add(time.Minute) {
			first[high.Add(time.Minute).Format(minutely)] = at
		}
	}
	return first, all
}

func TestEveryChangeOfEveryZone(t *testing.T) {
	all := zones(t)
	if len(all) < 300 {
		t.Fatalf("only %d zones", len(all))
	}
	total := 0
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if raceEnabled && i%10 != 0 {
			continue
		}
		zone := all[name]
		var kinds []string
		for _, c := range changes(zone) {
			total++
			yearly(t, name, c)
			// Most changes are like the year before's: those are walked through once.
			kind := fmt.Sprint(c.at.In(zone).Format("15:04"), c.shift)
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
				everyMinute(t, name, zone, c)
			}
			if t.Failed() {
				return
			}
		}
	}
	if total < 10_000 && !raceEnabled {
		t.Errorf("only %d changes", total)
	}
	t.Logf("%d zones, %d changes", len(all), total)
}

// On the last day of a leap year, Go says that clocks change before they do.
func TestEndOfLeapYears(t *testing.T) {
	for name, zone := range zones(t) {
		s, err := calendar.Parse("0 */6 * * *", name)
		if err != nil {
			t.Fatal(err)
		}
		for _, year := range []int{2028, 2032, 2096} {
			at := time.Date(year, time.December, 30, 0, 0, 0, 0, zone)
			for at.Year() <= year {
				want := time.Date(at.Year(), at.Month(), at.Day(), at.Hour()+6, 0, 0, 0, zone)
				got := s.Next(at)
				if !got.Equal(want) {
					t.Fatalf("%s: after %s it fires at %s, want %s", name, at, got.In(zone), want)
				}
				at = want
			}
		}
	}
}

// yearly: what is named once a year, around the change, comes in that year, once.
func yearly(t *testing.T, name string, c change) {
	_, after := c.at.Zone()
	before := time.FixedZone("", after-int(c.shift/time.Second))
	forward, jump := c.shift > 0, c.shift.Abs()
	for _, off := range []time.Duration{-time.Minute, 0, jump / 2, jump - time.Minute, jump} {
		// What the clock shows, or would show, by the time from before the change.
		shown := c.at.In(before).Add(off)
		want := c.at.Add(off)
		if forward && off < jump {
			want = c.at.Add(min(off, 0)) // skipped: at the jump
		}
		if !forward { // what comes twice begins before the change, and counts once
			shown, want = shown.Add(-jump), want.Add(-jump)
			if off == jump {
				want = c.at.Add(jump)
			}
		}
		if forward && off == jump {
			want = c.at
		}
		expression := fmt.Sprintf("%d %d %d %d *", shown.Minute(), shown.Hour(), shown.Day(), shown.Month())
		s, err := calendar.Parse(expression, name)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Next(c.at.AddDate(0, -2, 0))
		if !got.Equal(want) {
			t.Errorf("%s: %q fires at %s, want %s; clocks are set by %s at %s", name, expression, got, want, c.shift, c.at)
		}
		if again := s.Next(got); again.Sub(got) < 300*24*time.Hour {
			t.Errorf("%s: %q fires at %s and again at %s", name, expression, got, again)
		}
	}
}

// everyMinute: around the change, a schedule of every minute fires exactly at the
// minutes that a clock shows for the first time, in order; and one of a single minute
// at the first that shows it or is past it.
func everyMinute(t *testing.T, name string, zone *time.Location, c change) {
	width := c.shift.Abs() + 2*time.Hour
	from, to := c.at.Add(-width).Truncate(time.Minute), c.at.Add(width)
	first, all := fires(zone, from, to)
	s, err := calendar.Parse("* * * * *", name)
	if err != nil {
		t.Fatal(err)
	}
	at := from
	for _, want := range all {
		if got := s.Next(at); !got.Equal(want) {
			t.Fatalf("%s: after %s each minute fires at %s, want %s", name, at.In(zone), got.In(zone), want.In(zone))
		}
		at = want
	}
	for shown, want := range first {
		w, err := time.Parse(minutely, shown)
		if err != nil {
			t.Fatal(err)
		}
		if w.Minute()%7 > 0 { // enough of them
			continue
		}
		expression := fmt.Sprintf("%d %d %d %d *", w.Minute(), w.Hour(), w.Day(), w.Month())
		one, err := calendar.Parse(expression, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := one.Next(from); !got.Equal(want) {
			t.Fatalf("%s: after %s %q fires at %s, want %s", name, from.In(zone), expression, got.In(zone), want.In(zone))
		}
		if got := one.Next(want.Add(-1)); !got.Equal(want) {
			t.Fatalf("%s: just before %s %q fires at %s", name, want.In(zone), expression, got.In(zone))
		}
		if got := one.Next(want); !got.After(want.AddDate(0, 6, 0)) {
			t.Fatalf("%s: %q fires at %s and again at %s", name, expression, want.In(zone), got.In(zone))
		}
	}
}
