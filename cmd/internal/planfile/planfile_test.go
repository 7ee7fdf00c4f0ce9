package planfile_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

var (
	now       = time.Date(2026, 12, 1, 4, 0, 0, 123456789, time.UTC)
	elsewhere = now.In(time.FixedZone("elsewhere", 5*3600+1800))
)

// some is a document with something of everything.
func some() planfile.Document {
	why := rotate.Reason{Code: "schedule", Message: "the schedule made a rotation due"}
	ref := dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: "s1"}, KeyID: "0011"}
	return planfile.New(planfile.Context{Created: elsewhere, For: elsewhere.Add(time.Hour), Valid: 72 * time.Hour,
		ConfigSHA256: "c", Lineage: "l", DomainSHA256: map[string]string{"a.test": "da"}},
		[]rotate.DomainPlan{
			{Name: "a.test", Phase: rotate.Ready, Revision: 7, Basis: "sha256:state", Asked: true, Reason: why,
				Warnings: []finding.Warning{{Code: codes.KeyCopy, Message: "look <here> & there",
					About: finding.Thing{Selector: "s1"}}}, Steps: []rotate.Step{
					{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Target: "signer mx1", Reason: why,
						From: rotate.Side{Selector: "s1"}, To: rotate.Side{Selector: "s2"}},
					{Kind: rotate.Drain, Selector: "s1", Target: "s1._domainkey.a.test", Reason: why,
						NotBefore: elsewhere.Add(7 * 24 * time.Hour)}},
				Next: &rotate.Next{Action: "replace", Selector: "s1", At: elsewhere, Reason: why},
				Seen: rotate.Observation{
					Selectors: map[string]rotate.SelectorSeen{"s1": {Sight: rotate.Sight{Values: []string{"b", "a"}}, KeyID: "0011",
						Version: 3}, "s2": {SightErr: errors.New("x"), KeyErr: errors.New("x")}},
					Signers: map[string]rotate.SignerSeen{"mx1": {Ref: ref}, "mx2": {Err: errors.New("no answer")}}}},
			{Name: "b.test", Phase: rotate.New, Stop: fault.Refuse("foreign-record", "it is not ours", "remove it")},
		})
}

// A document reads back as it was written, as the heart says it too.
func TestReadsBack(t *testing.T) {
	doc := some()
	got, err := planfile.Read(doc.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(doc, got); diff != "" {
		t.Error(diff)
	}
	p := got.Domains[0].Plan()
	if p.Name != "a.test" || p.Phase != rotate.Ready || p.Revision != 7 || p.Basis != "sha256:state" || !p.Asked ||
		p.Steps[1].NotBefore.IsZero() || !p.Steps[0].NotBefore.IsZero() ||
		p.Seen.Signers["mx1"].Ref.Selector != "s1" || p.Seen.Selectors["s1"].Version != 3 || len(p.Seen.Signers) != 1 {
		t.Errorf("the plan is %+v", p)
	}
	if want := (finding.Warning{Code: codes.KeyCopy, Message: "look <here> & there",
		About: finding.Thing{Selector: "s1"}}); len(p.Warnings) != 1 || p.Warnings[0] != want {
		t.Errorf("the warnings are %+v", p.Warnings)
	}
	stop := got.Domains[1].Plan().Stop
	if stop.Error() != "it is not ours" || fault.KindOf(stop) != fault.Refused || fault.CodeOf(stop) != "foreign-record" ||
		fault.HintOf(stop) != "remove it" {
		t.Errorf("the problem is %+v", stop)
	}
	a := got.Approval(got.Domains[0])
	want := approval.Conditions{Revision: 7, State: "sha256:state",
		Records: map[string]string{"s1": "sha256:" + sum("a\nb")},
		Keys:    map[string]approval.KeyHeld{"s1": {Version: 3, KeyID: "0011"}},
		Signers: map[string]approval.SignsWith{"mx1": {Selector: "s1", KeyID: "0011"}}}
	if diff := cmp.Diff(want, a.Conditions); diff != "" || a.PlanID != doc.PlanID || !a.Asked || len(a.Steps) != 2 {
		t.Errorf("%+v\n%s", a, diff)
	}
}

func sum(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// Summary, expiry and checksum are what they say; the checksum can be checked by
// hand: it is of the file with an empty one.
func TestDocument(t *testing.T) {
	doc := some()
	if diff := cmp.Diff(planfile.Summary{Domains: 2, Steps: 2}, doc.Summary); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a.test: look <here> & there"}, doc.Warnings); diff != "" {
		t.Error(diff)
	}
	if !doc.ExpiresAt.Equal(now.Add(73*time.Hour)) || !doc.PlannedFor.Equal(now.Add(time.Hour)) ||
		!doc.CreatedAt.Equal(now) {
		t.Errorf("made %s for %s, until %s", doc.CreatedAt, doc.PlannedFor, doc.ExpiresAt)
	}
	if past := planfile.New(planfile.Context{Created: now, For: now.Add(-time.Hour)},
		nil); !past.ExpiresAt.Equal(now.Add(planfile.Life)) {
		t.Errorf("a plan for the past expires at %s", past.ExpiresAt)
	}
	if want := "sha256:" + sum(strings.Replace(string(doc.Encode()), doc.Checksum, "", 1)); doc.Checksum != want {
		t.Errorf("checksum %s, want %s", doc.Checksum, want)
	}
	if again := some(); again.PlanID == doc.PlanID || len(doc.PlanID) < 20 {
		t.Errorf("plan ids %q and %q", doc.PlanID, again.PlanID)
	}
	if text := string(doc.Encode()); strings.Contains(text, "+05:30") || !strings.Contains(text, "look <here> & there") {
		t.Errorf("times that are not UTC, or escaped text:\n%s", text)
	}
}

// Any changed, lost or added byte is noticed.
func TestEveryByteCounts(t *testing.T) {
	good := some().Encode()
	for i := range good {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := append([]byte{}, good...)
			bad[i] ^= bit
			wantDamaged(t, bad, fmt.Sprintf("bit %#x of byte %d", bit, i))
		}
		wantDamaged(t, append(append([]byte{}, good[:i]...), good[i+1:]...), fmt.Sprintf("lost byte %d", i))
		wantDamaged(t, append(append(append([]byte{}, good[:i]...), ' '), good[i:]...), fmt.Sprintf("a space at byte %d", i))
	}
	wantDamaged(t, append(good, '\n'), "one more line")
	wantDamaged(t, append(good, good...), "twice")
}

func wantDamaged(t *testing.T, data []byte, how string) {
	t.Helper()
	if _, err := planfile.Read(data); err == nil || fault.HintOf(err) == "" {
		t.Fatalf("%s is not noticed: %v", how, err)
	}
}

// Someone who writes a new checksum has not made a document that dkimbot would write.
func TestStrict(t *testing.T) {
	good := string(some().Encode())
	for title, change := range map[string]func(string) string{
		"unknown field": func(s string) string {
			return strings.Replace(s, `"phase": "ready"`, `"phase": "ready",`+"\n      "+`"more": 1`, 1)
		},
		"field twice": func(s string) string {
			return strings.Replace(s, `"phase": "ready"`, `"phase": "x",`+"\n      "+`"phase": "ready"`, 1)
		},
		"capital": func(s string) string { return strings.Replace(s, `"phase": "ready"`, `"Phase": "ready"`, 1) },
		"escape":  func(s string) string { return strings.Replace(s, `<here>`, `\u003chere\u003e`, 1) },
		"compact": func(s string) string { return strings.ReplaceAll(s, "\n", "") },
	} {
		bad := change(good)
		empty := strings.Replace(bad, checksumOf(bad), "", 1)
		bad = strings.Replace(bad, checksumOf(bad), "sha256:"+sum(empty), 1)
		if _, err := planfile.Read([]byte(bad)); fault.CodeOf(err) != "damaged-plan" || fault.KindOf(err) != fault.Refused {
			t.Errorf("%s: %v", title, err)
		} else {
			faulttest.Shown(t, err)
		}
	}
}

func checksumOf(s string) string {
	_, rest, _ := strings.Cut(s, `"checksum": "`)
	rest, _, _ = strings.Cut(rest, `"`)
	return rest
}

// Each way in which a file can be no plan is reported with what to do.
func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := string(some().Encode())
	for _, c := range []struct{ path, want, hint string }{
		{filepath.Join(dir, "none"), "none: no such file or directory",
			"name a file that 'dkimbot plan --out FILE' has written"},
		{dir, dir + ": it is a directory", "name a file that"},
		{file("empty", " \n"), "empty: it is not as dkimbot wrote it: it is empty", "get the file again"},
		{file("yaml", "state: {}\n"), "it is not a JSON document: invalid character", "byte for byte"},
		{file("half", good[:len(good)/2]), "it is not a JSON document: unexpected end", "make a new plan"},
		{file("status", `{"format_version":1,"domains":[]}`), "it is a JSON document, but no plan", "name a file that"},
		{file("new", strings.Replace(good, `"format_version": 1`, `"format_version": 2`, 1)),
			"it has format version 2, and this dkimbot knows version 1 only", "use the version of dkimbot that wrote it"},
		{file("type", strings.Replace(good, `"steps": 2`, `"steps": "2"`, 1)),
			"it is not as dkimbot wrote it: json: cannot unmarshal", "get the file again"},
		{file("changed", strings.Replace(good, "s2", "s3", 1)), "its content does not fit its checksum",
			"dkimbot plan --out FILE"},
	} {
		_, err := planfile.ReadFile(c.path)
		faulttest.Shown(t, err)
		if err == nil || !strings.HasPrefix(err.Error(), "read the plan "+c.path) || !strings.Contains(err.Error(), c.want) ||
			!strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("got %v\nhint: %s\nwant %q, %q", err, fault.HintOf(err), c.want, c.hint)
		}
	}
}

// A plan is its owner's alone, and there as a whole or not at all.
func TestWriteFile(t *testing.T) {
	path, doc := filepath.Join(t.TempDir(), "plan.json"), some()
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := planfile.WriteFile(path, doc); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if got, err := planfile.ReadFile(path); err != nil || got.PlanID != doc.PlanID {
		t.Errorf("%v, %v", got, err)
	}
}

// What JSON can't hold, or nobody can see, does not make a document that can't be read again.
func TestOddText(t *testing.T) {
	for _, odd := range []string{"\xff", "\u2028", "\x00", "�", "\U0010ffff", `"\`, "<&>", "\x1b[2J", "\u202e", "\u200b",
		strings.Repeat("x", 100_000)} {
		doc := planfile.New(planfile.Context{Created: now}, []rotate.DomainPlan{
			{Name: "a.test", Phase: rotate.Ready, Reason: rotate.Reason{Message: odd},
				Steps: []rotate.Step{{Kind: rotate.Publish, Selector: "s1", Target: odd, From: rotate.Side{Record: odd},
					To: rotate.Side{Fresh: true}}}},
			{Name: "b.test", Phase: rotate.New, Warnings: []finding.Warning{{Message: odd}}, Stop: errors.New(odd),
				Drift: []finding.Finding{{Message: odd, Repair: odd}}}})
		if got, err := planfile.Read(doc.Encode()); err != nil || cmp.Diff(doc, got) != "" {
			t.Errorf("%q: %v", odd, err)
		}
	}
}

func TestStanding(t *testing.T) {
	doc := some() // for 05:00 to 77:00
	code := func(r *rotate.Reason) string {
		if r == nil {
			return ""
		}
		if err := doc.Refusal(r); fault.KindOf(err) != fault.Refused || fault.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "apply plan "+doc.PlanID+": "+r.Message) {
			t.Errorf("%+v is refused as %v", r, err)
		} else {
			faulttest.Shown(t, err)
		}
		return string(r.Code)
	}
	for at, want := range map[time.Duration]string{59 * time.Minute: "not-yet", time.Hour: "", 73*time.Hour - 1: "",
		73 * time.Hour: "expired"} {
		if got := code(doc.Timely(now.Add(at))); got != want {
			t.Errorf("after %s: %q, want %q", at, got, want)
		}
	}
	if err := doc.Refusal(doc.Timely(now)); fault.CodeOf(err) != "not-yet" {
		t.Errorf("too early: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	if err := doc.Refusal(nil); err != nil {
		t.Error(err)
	}
	fresh := doc
	fresh.Lineage = ""
	for _, c := range []struct {
		doc     planfile.Document
		lineage string
		want    string
	}{{doc, "l", ""}, {doc, "", "lineage"}, {doc, "m", "lineage"}, {fresh, "", ""}, {fresh, "l", ""}} {
		if got := code(c.doc.SameState(c.lineage)); got != c.want {
			t.Errorf("of %q in %q: %q, want %q", c.doc.Lineage, c.lineage, got, c.want)
		}
	}
	for sha, want := range map[string]string{"da": "", "": "config-changed", "db": "config-changed"} {
		if got := code(doc.Domains[0].SameConfig(sha)); got != want {
			t.Errorf("configuration %q: %q, want %q", sha, got, want)
		}
	}
}

// A domain that had a problem when the plan was made says so when it is applied.
func TestUnplanned(t *testing.T) {
	doc := some()
	faulttest.Shown(t, doc.Unplanned(doc.Domains[1]))
}

// A plan is read by its owner alone; who else tries is told so.
func TestOthersPlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(path, some().Encode(), 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may read everything: as nobody, on this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
	}
	_, err := planfile.ReadFile(path)
	if os.Geteuid() == 0 {
		if err := syscall.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
	}
	faulttest.Shown(t, err)
}
