package planfile_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

var key = []byte("0123456789abcdef0123456789abcdef")

// signed is some, with a signature.
func signed() planfile.Document {
	doc := some()
	plans := make([]rotate.DomainPlan, len(doc.Domains))
	for i, d := range doc.Domains {
		plans[i] = d.Plan()
	}
	return planfile.New(planfile.Context{Created: now, For: now, Lineage: "l", Key: key}, plans)
}

// forged changes a document as somebody does who can compute a checksum.
func forged(t *testing.T, doc planfile.Document, change func(*planfile.Document)) []byte {
	t.Helper()
	var out planfile.Document
	if err := json.Unmarshal(doc.Encode(), &out); err != nil {
		t.Fatal(err)
	}
	change(&out)
	out.Checksum = ""
	out.Checksum = "sha256:" + sum(string(out.Encode()))
	return out.Encode()
}

// TestGenuine: only what was signed with the state's key is genuine; nothing that anyone can
// compute makes other words or steps pass (a saved plan proves what was reviewed).
func TestGenuine(t *testing.T) {
	doc, err := planfile.Read(signed().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if why := doc.Genuine(key); why != nil {
		t.Fatalf("the plan as it was written: %+v", why)
	}
	for title, change := range map[string]func(*planfile.Document){
		"another reason": func(d *planfile.Document) { d.Domains[0].Reason.Message = "a look, changes nothing" },
		"another target": func(d *planfile.Document) { d.Domains[0].Steps[0].Target = "nowhere" },
		"another before": func(d *planfile.Document) { d.Domains[0].Steps[0].Before["selector"] = "s2" },
		"a step less":    func(d *planfile.Document) { d.Domains[0].Steps = d.Domains[0].Steps[:1]; d.Summary.Steps-- },
		"another id":     func(d *planfile.Document) { d.PlanID = strings.Repeat("b", 26) },
		"lives longer":   func(d *planfile.Document) { d.ExpiresAt = d.ExpiresAt.Add(time.Hour) },
		"other state":    func(d *planfile.Document) { d.Domains[0].Preconditions.State = "sha256:other" },
		"no signature":   func(d *planfile.Document) { d.Signature = "" },
		"no state":       func(d *planfile.Document) { d.Signature, d.Lineage = "", "" },
	} {
		got, err := planfile.Read(forged(t, doc, change))
		if err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		why := got.Genuine(key)
		if why == nil {
			t.Errorf("%s passes", title)
			continue
		}
		err = got.Refusal(why)
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Refused || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", title, err)
		}
	}
	for _, other := range [][]byte{nil, []byte("another key of a restored state..")} {
		if why := doc.Genuine(other); why == nil || why.Code != codes.Tampered {
			t.Errorf("by another key: %+v", why)
		}
	}
}

// TestBounds: what New never makes is refused on reading, whoever computed the checksum.
func TestBounds(t *testing.T) {
	for title, change := range map[string]func(*planfile.Document){
		"expires in 9999": func(d *planfile.Document) { d.ExpiresAt = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC) },
		"planned for 9000": func(d *planfile.Document) {
			d.PlannedFor = time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC)
			d.ExpiresAt = d.PlannedFor
		},
		"made in the year 1": func(d *planfile.Document) {
			d.CreatedAt, d.PlannedFor, d.ExpiresAt = time.Time{}, time.Time{}, time.Time{}
		},
		"made in 2190": func(d *planfile.Document) {
			d.CreatedAt = time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC)
			d.PlannedFor, d.ExpiresAt = d.CreatedAt, d.CreatedAt
		},
		"expires first":     func(d *planfile.Document) { d.ExpiresAt = d.CreatedAt.Add(-1) },
		"id":                func(d *planfile.Document) { d.PlanID = "a look" },
		"id in colour":      func(d *planfile.Document) { d.PlanID = "\x1b[31m" },
		"kind":              func(d *planfile.Document) { d.Domains[0].Steps[0].Kind = "<b>look</b>" },
		"phase":             func(d *planfile.Document) { d.Domains[0].Phase = "Asleep, nothing to do" },
		"domain":            func(d *planfile.Document) { d.Domains[0].Name = "A.test" },
		"domain twice":      func(d *planfile.Document) { d.Domains[1].Name = d.Domains[0].Name },
		"selector":          func(d *planfile.Document) { d.Domains[0].Steps[0].Selector = "s2 (nothing)" },
		"signer":            func(d *planfile.Document) { d.Domains[0].Steps[0].Signer = "mx1: no" },
		"signer of a drain": func(d *planfile.Document) { d.Domains[0].Steps[1].Signer = "mx1" },
		"escapes":           func(d *planfile.Document) { d.Domains[0].Reason.Message = "\x1b[2J" },
		"bidi":              func(d *planfile.Document) { d.Domains[0].Steps[0].Target = "mx1 \u202e" },
		"hidden":            func(d *planfile.Document) { d.Domains[0].Steps[0].Before["selector"] = "s1\u200b" },
		"fact":              func(d *planfile.Document) { d.Domains[0].Steps[0].Before["<i>"] = "s1" },
		"long":              func(d *planfile.Document) { d.Warnings = []string{strings.Repeat("w", 1<<20)} },
		"summary":           func(d *planfile.Document) { d.Summary.Steps = 0 },
		"kind of problem":   func(d *planfile.Document) { d.Domains[1].Problem.Kind = "harmless" },
		"line break":        func(d *planfile.Document) { d.Domains[0].Reason.Message = "a\nb" },
		"line break before": func(d *planfile.Document) { d.Domains[0].Steps[0].Before["selector"] = "s1\n1. look" },
		"tab":               func(d *planfile.Document) { d.Warnings = []string{"a\tb"} },
		"words after":       func(d *planfile.Document) { d.Domains[0].Steps[0].After["selector"] = "s2 nothing" },
		"another after":     func(d *planfile.Document) { d.Domains[0].Steps[0].After["selector"] = "s1" },
		"more after":        func(d *planfile.Document) { d.Domains[0].Steps[1].After["ttl"] = "1h" },
		"words of a signer": func(d *planfile.Document) {
			d.Domains[0].Preconditions.Signers["mx1"] = approval.SignsWith{Selector: "nothing at all"}
		},
		"digest":           func(d *planfile.Document) { d.Domains[0].Preconditions.State = "as it was" },
		"signed by nobody": func(d *planfile.Document) { d.Lineage = "" },
		"what comes next":  func(d *planfile.Document) { d.Domains[0].Next.Action = "Nothing at all" },
	} {
		_, err := planfile.Read(forged(t, signed(), change))
		if fault.CodeOf(err) != "damaged-plan" || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", title, err)
		}
	}
}

// TestFromTheFuture: a plan that was made later than now is not applied.
func TestFromTheFuture(t *testing.T) {
	doc := signed()
	why := doc.Timely(now.Add(-time.Hour))
	if why == nil || why.Code != "from-the-future" {
		t.Fatalf("%+v", why)
	}
	faulttest.Shown(t, doc.Refusal(why))
}

// TestPlain: of a document that nobody vouches for, no word is shown that stood in it.
func TestPlain(t *testing.T) {
	doc := some()
	for i := range doc.Domains {
		d := &doc.Domains[i]
		d.Reason.Message, d.Warnings, d.Drift = "FREE", []string{"FREE"}, []finding.Finding{{Message: "FREE", Repair: "FREE"}}
		if d.Next != nil {
			d.Next.Reason.Message = "FREE"
		}
		if d.Problem != nil {
			d.Problem.Message, d.Problem.Hint = "FREE", "FREE"
		}
		for j := range d.Steps {
			d.Steps[j].Target, d.Steps[j].Reason.Message, d.Steps[j].Before = "FREE", "FREE", map[string]string{"record": "FREE"}
		}
	}
	doc.Warnings = []string{"FREE"}
	plain := doc.Plain()
	if text := string(plain.Encode()); strings.Contains(text, "FREE") ||
		!strings.Contains(text, `"target": "signer mx1"`) {
		t.Errorf("it is\n%s", text)
	}
	if len(plain.Domains[0].Steps) != 2 || plain.Domains[1].Problem == nil {
		t.Errorf("%+v", plain.Domains)
	}
}

// TestOlderVersion: the documents of older versions still read. One that was made before
// there was a state can be applied; another one is refused by name, with the way on.
func TestOlderVersion(t *testing.T) {
	for file, want := range map[string]string{"before-state.json": "", "unsigned.json": "unsigned"} {
		doc, err := planfile.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if why := doc.Genuine(key); why != nil {
			got = string(why.Code)
		}
		if got != want || len(doc.Domains) == 0 {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}

// TestNoPlainFile: what is no regular file is not waited for.
func TestNoPlainFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	huge := filepath.Join(t.TempDir(), "huge")
	if err := os.WriteFile(huge, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 2<<30); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero", huge} {
		if _, err := planfile.ReadFile(path); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestSavesNoPlanOverADevice: 'plan --out' to a pipe or device leaves it there, and says what to name.
func TestSavesNoPlanOverADevice(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	err := planfile.WriteFile(pipe, some())
	faulttest.Shown(t, err)
	if info, e := os.Lstat(pipe); e != nil || info.Mode()&os.ModeNamedPipe == 0 ||
		!strings.Contains(err.Error(), "is a pipe") {
		t.Errorf("%v; the pipe is %v, %v", err, info, e)
	}
}

// TestUnsignedFacts: a plan that nobody signed has no room for words of others: each fact
// that is shown of it has its exact form, or the plan is refused as damaged.
func TestUnsignedFacts(t *testing.T) {
	doc, err := planfile.ReadFile(filepath.Join("testdata", "before-state.json"))
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=rsa; n=nothing changes; p="
	for _, words := range []string{"x\n\n# HELLO **nothing changes**", "x", "nothing", "S1", record, "00ff", "-1s",
		"\u2028", ""} {
		for i, s := range doc.Domains[0].Steps {
			for name, was := range s.After {
				if words == "" && name == "key_id" || words == "" && name == "record" {
					continue // no key
				}
				data := forged(t, doc, func(d *planfile.Document) { d.Domains[0].Steps[i].After[name] = words })
				if _, err := planfile.Read(data); fault.CodeOf(err) != "damaged-plan" {
					t.Errorf("step %d (%s): %s is %q and not %q: %v", i+1, s.Kind, name, words, was, err)
				}
			}
		}
	}
}

// TestPlainRecord: of a record in a plan whose signature can't be checked only the key is shown.
func TestPlainRecord(t *testing.T) {
	doc := some()
	s := &doc.Domains[0].Steps[0]
	s.Kind, s.Signer, s.After = rotate.Publish, "",
		map[string]string{"record": "v=DKIM1; k=rsa; n=FREE; x=FREE; p=", "key_id": "", "ttl": "1h"}
	doc, err := planfile.Read(forged(t, doc, func(*planfile.Document) {}))
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Plain().Domains[0].Steps[0].After["record"]; got != "v=DKIM1; k=rsa; p=" {
		t.Errorf("it shows %q", got)
	}
}

// TestWritesOneLine: what New makes of errors of several lines reads back.
func TestWritesOneLine(t *testing.T) {
	doc := planfile.New(planfile.Context{Created: now, For: now, Lineage: "l", Warnings: []string{"a\nb"}},
		[]rotate.DomainPlan{
			{Name: "b.test", Phase: rotate.New, Stop: fault.Refuse("x", "it said:\n\tno", "try\nagain"),
				Seen: rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": {Ref: dkim.Ref{Name: dkim.Name{Selector: "s 1"}}}}}}})
	got, err := planfile.Read(doc.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if p := got.Domains[0].Problem; p.Message != "it said:  no" || p.Hint != "try again" || got.Warnings[0] != "a b" ||
		len(got.Domains[0].Preconditions.Signers) != 0 {
		t.Errorf("%+v, %+v", p, got)
	}
}
