package finding

import "testing"

// TestDeadKey: mail through a signer that is not heard is not said to fail: what signs it is not known.
func TestDeadKey(t *testing.T) {
	for want, tc := range map[string]struct {
		on    []string
		all   bool
		heard string
	}{
		"all mail of a.example fails now: it is signed with s1, whose key was revoked":         {[]string{"mx1"}, true, "mx1"},
		"mail of a.example through mx1 fails now: it is signed with s1, whose key was revoked": {[]string{"mx1"}, false, "mx1"},
		"mail of a.example through mx1 may fail now: it is not known what signs it, and s1, whose key was revoked, " +
			"did last": {[]string{"mx1"}, true, ""},
		"mail of a.example through mx2 fails now: it is signed with s1, whose key was revoked; mail of a.example through " +
			"mx1 may fail now: it is not known what signs it, and s1, whose key was revoked, did last": {
			[]string{"mx1", "mx2"}, true, "mx2"},
	} {
		f := DeadKey("a.example", "s1", false, false, tc.on, tc.all, func(name string) bool { return name == tc.heard })
		if f == nil || f.Message != want {
			t.Errorf("%+v\nwant: %s", f, want)
		}
	}
	if f := DeadKey("a.example", "s1", false, false, nil, false, nil); f != nil {
		t.Errorf("of no signer: %+v", f)
	}
}
