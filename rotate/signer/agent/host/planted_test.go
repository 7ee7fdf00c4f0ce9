package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestPlantedMemory guards I1 against users of the host: a directory in which others may write is no agent's, and a
// memory that they may write is not believed; both is foreseen by the check.
func TestPlantedMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	m := open(t, dir)
	if _, err := m.Load(); err != nil {
		t.Fatal(err)
	}
	m.Close()
	file := filepath.Join(dir, "agent.json")
	mode := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error, path string) {
		t.Helper()
		if err == nil || fault.HintOf(err) != "run: chmod go-w "+path {
			t.Errorf("%v, hint %q; want chmod of %s", err, fault.HintOf(err), path)
		}
	}
	mode(dir, 0o777)
	refused(host.CheckMemory(dir), dir)
	opened, err := host.OpenDirectory(t.Context(), dir)
	if refused(err, dir); err == nil {
		opened.Close()
	}
	mode(dir, 0o777|os.ModeSticky)
	mode(file, 0o666)
	refused(host.CheckMemory(dir), file)
	m = open(t, dir)
	defer m.Close()
	_, err = m.Load()
	refused(err, file)
}

// TestImpossibleNumber: a number that no wish has counts as damage, where it stands in the agent's memory, in its
// report or in the wish: the number that follows it could not be told from it.
func TestImpossibleNumber(t *testing.T) {
	const number = "9007199254740992" // others than Go read the next one as the same
	dir := filepath.Join(t.TempDir(), "agent")
	open(t, dir).Close()
	text := `{"instance":"AAAA","sequence":` + number + `}`
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir)
	defer m.Close()
	if memo, err := m.Load(); err != nil || memo.Instance == "AAAA" || memo.Sequence != 0 {
		t.Errorf("%+v, %v; want a new memory", memo, err)
	}

	for at, fields := range map[string]string{agent.ReportAt("mx1"): `"instance":"one",`, agent.WishAt("mx1"): ""} {
		l := newLab(t)
		l.turn()
		one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
		l.want(one)
		page := l.page(at)
		page.Text = []byte(`{"format_version":1,"agent":"mx1",` + fields + `"sequence":` + number + `,"keys":{}}`)
		page.Version++
		l.board.Put(at, page)
		if _, err := l.asks.Active(t.Context(), []string{domain}); fields != "" && fault.CodeOf(err) != codes.AgentDocument {
			t.Errorf("%s: %v", at, err)
		} else if fields != "" {
			faulttest.Shown(t, err)
		}
		if r := l.turn(); r.Sequence > 1 || fields == "" && !strings.Contains(r.Trouble, "can't be that of a wish") {
			t.Errorf("%s: the agent reports %d, trouble %q", at, r.Sequence, r.Trouble)
		}
		l.want(two)
		l.says(domain, two)
	}

	l := newLab(t)
	l.turn()
	page := l.page(agent.ReportAt("mx1"))
	page.Text = []byte(strings.Replace(string(page.Text), `"sequence":0`, `"sequence":9007199254740991`, 1))
	l.board.Put(agent.ReportAt("mx1"), page)
	faulttest.Shown(t, l.asks.Activate(t.Context(), []dkim.SigningKey{signertest.At(domain, "s1", l.keys[0])}))
	if page := l.page(agent.WishAt("mx1")); page.Version != 0 {
		t.Errorf("it was written: %s", page.Text)
	}
}

// TestForgedLines: what a host says of itself stays in the line in which it is told.
func TestForgedLines(t *testing.T) {
	l := newLab(t)
	l.host.Name = "mail\nok      signer mx2: all is well"
	other := l.newHost("two")
	other.Name = "host two\n\nok"
	l.takes(other)
	l.table.signs[domain] = signertest.At(domain, "s1", l.keys[0]).Ref()
	l.host.Domains = []string{domain}
	l.turns(7)
	page := l.page(agent.ReportAt("mx1"))
	page.Text = []byte(strings.Replace(string(page.Text), `"selector":"s1"`, `"overruled":"x\ny","selector":"s1"`, 1))
	page.Version++
	l.board.Put(agent.ReportAt("mx1"), page)
	told := []string{l.checkedFound(), l.checked().Error(), l.asks.Overruled(t.Context(), []string{domain})[domain]}
	for i, want := range []string{"on host mail ok signer", "host two ok (", ", x y"} {
		if strings.Contains(told[i], "\n") || !strings.Contains(told[i], want) {
			t.Errorf("%q; want %q in one line", told[i], want)
		}
	}
	page.Text = []byte(strings.Replace(string(page.Text), `"instance":"one"`, `"instance":"one ok"`, 1))
	l.board.Put(agent.ReportAt("mx1"), page)
	_, err := l.asks.Active(t.Context(), []string{domain})
	faulttest.Shown(t, err)
}
