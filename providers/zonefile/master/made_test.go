package master

import (
	"os"
	"strings"
	"testing"
)

// A short text that stands for endless records does not fill the memory, in whatever way it makes
// them: reading ends at the bound, and tells the line.
func TestMadeRecordsAreBounded(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"many": "h A 192.0.2.1\n", "flaws": "h A x\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(strings.Repeat(text, 20)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(dir+"/many", dir+"/linked"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/outer", []byte("$INCLUDE many\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		so   made // before
		text string
		want string
	}{
		"records":          {made{records: maxMade - 10}, "$GENERATE 1-11 h$ A 192.0.2.1\n", "line 1: too many records"},
		"records that fit": {made{records: maxMade - 10}, "$GENERATE 1-10 h$ A 192.0.2.1\n", ""},
		"text": {made{text: maxMadeText - 100}, "\n$GENERATE 1-10 h$ A 192.0.2.1\n",
			"line 2: the records made"},
		"a file again":        {made{records: maxMade - 10}, "$INCLUDE many\n$INCLUDE many\n", "line 11: too many records"},
		"under another name":  {made{records: maxMade - 10}, "$INCLUDE many\n$INCLUDE linked\n", "line 11: too many records"},
		"within another file": {made{records: maxMade - 10}, "$INCLUDE outer\n$INCLUDE outer\n", "line 10: too many records"},
		"text of a file":      {made{text: maxMadeText - 100}, "$INCLUDE many\n$INCLUDE many\n", "too large"},
		"flaws of a file":     {made{records: maxMade - 10}, "$INCLUDE flaws\n$INCLUDE flaws\n", "line 11: too many records"},
		"a file once":         {made{records: maxMade}, "$INCLUDE many\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Reader{Zone: "example.com.", made: tc.so}
			o, err := Scan(tc.text)
			if err == nil {
				err = r.read(&scope{path: dir + "/zone", text: tc.text, origin: r.Zone, owner: r.Zone}, o)
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}
