package maps

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestEveryInstant guards I1 and I2: before each operation of a switch, a process of rspamd may have read any version
// that each map has had since the switch began, whatever the others are. Each pair leads to a key that belongs to its
// selector. The two maps of dkim_signing and those of arc are read by themselves.
func TestEveryInstant(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, everyMap)
	k := signertest.Keys(t, 3)
	belongs := map[string]string{"s1": k[0].ID(), "s2": k[1].ID()}
	activate(t, s, signertest.At("a.example", "s2", k[2])) // what s2 held one rotation ago
	activate(t, s, signertest.At("a.example", "s1", k[0]))

	pairs := [][2]string{{s.cfg.SelectorMap, s.cfg.PathMap}, {s.cfg.ArcSelectorMap, s.cfg.ArcPathMap}}
	versions := map[string][]string{}
	looks := 0
	look := func(when string) {
		looks++
		for _, pair := range pairs {
			for _, path := range pair {
				versions[path] = append(versions[path], read(t, path))
			}
			for _, selectors := range versions[pair[0]] {
				for _, paths := range versions[pair[1]] {
					n := dkim.Name{Domain: "a.example", Selector: entries([]byte(selectors))["a.example"]}
					file := expand(entries([]byte(paths))["a.example"], n)
					data, err := os.ReadFile(file)
					if err != nil || keyfiles.KeyIDIn(data) != belongs[n.Selector] {
						t.Errorf("before %q: selector %s and file %s, which holds key %.8s; %v", when, n.Selector, file,
							keyfiles.KeyIDIn(data), err)
					}
				}
			}
		}
	}
	s.step = func(operation string) error { look(operation); return nil }
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if look("the end"); looks < 10 {
		t.Errorf("%d looks: the test does not see the operations", looks)
	}
}

// TestSecondThought guards I2: rspamd loads a key again when its file's time of change is later, in whole seconds; so a
// file that replaces another, or follows one that was removed, has a later one, also when the clock was set back.
func TestSecondThought(t *testing.T) {
	d := signertest.NewRspamd(t)
	s := adapter(d, nil)
	began := s.now()
	k := signertest.Keys(t, 4)
	last := int64(0)
	for i, at := range []int{0, 0, -3600, -3600} {
		s.now = func() time.Time { return began.Add(time.Duration(at) * time.Second) }
		if i == 3 { // gone meanwhile
			activate(t, s, signertest.At("a.example", "s1", k[3]))
			if err := (later{s}).Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s2", k[2]).Ref()}); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(d.KeyDir, "a.example.s2.key")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("the file is there: %v", err)
			}
		}
		activate(t, s, signertest.At("a.example", "s2", k[i]))
		info, err := os.Stat(filepath.Join(d.KeyDir, "a.example.s2.key"))
		if err != nil || info.ModTime().Unix() <= last {
			t.Errorf("change %d: the time of change is %d, after %d; %v", i, info.ModTime().Unix(), last, err)
		}
		last = info.ModTime().Unix()
	}
}
