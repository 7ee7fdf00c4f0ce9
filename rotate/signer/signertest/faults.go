package signertest

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// WantCode wants an error with a code, "" for none, and words that stand in its text or its hint. The text is shown in
// testdata/faults.txt beside the calling test.
func WantCode(t testing.TB, err error, code string, words ...string) {
	t.Helper()
	if faulttest.ShownFor(t, err, 1); err == nil {
		t.FailNow()
	}
	if string(fault.CodeOf(err)) != code {
		t.Fatalf("error is %v with code %q; want code %q", err, fault.CodeOf(err), code)
	}
	for _, w := range words {
		if text := err.Error() + " / " + fault.HintOf(err); !strings.Contains(text, w) {
			t.Errorf("error is %q; want it to hold %q", text, w)
		}
	}
}
