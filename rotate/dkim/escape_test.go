package dkim

import "testing"

// All rooms read TXT strings alike, also those that nobody should write.
func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`plain`: "plain", `a\"b`: `a"b`, `\\`: `\`, `\059x`: ";x", `\255`: "\xff", `\999`: "999", `\2`: "2", `\25`: "25",
		`end\`: `end\`, `\x`: "x",
	} {
		if got := Unescape(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
