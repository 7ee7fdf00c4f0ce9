package cli_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/stalwart/stalwarttest"
)

// TestServiceFails guards I1 and I10 as an operator sees it, with a signer that is a service: whatever it answers, the
// domain is signed with one key; what is not confirmed is no switch, and is said; when the service answers again, the
// next run continues.
func TestServiceFails(t *testing.T) {
	t.Parallel()
	l, f := newLab(t, "example.test"), stalwarttest.Start(t, "example.test")
	l.file(t, "token", stalwarttest.Token)
	l.Signer = "driver: stalwart\nurl: " + f.URL + "\ntoken_file: token\nlag: 1ms"
	l.write(t)
	run := func(code int, says []string, args ...string) {
		t.Helper()
		l.run(t, append(args, "--domain", "example.test")...).want(t, code, says...)
		if is := f.Sign("example.test"); len(is) != 1 {
			t.Errorf("%v: it is signed with %v", args, is)
		}
	}
	sound := func(selector string) {
		t.Helper()
		run(0, nil, "check")
		st := l.status(t, "example.test")
		want := []dkim.Ref{{Name: dkim.Name{Domain: "example.test", Selector: selector}, KeyID: st.Selectors[selector].KeyID}}
		if is := f.Sign("example.test"); st.Phase != "ready" || *st.Active != selector || !slices.Equal(is, want) {
			t.Errorf("phase %s, active %s; it is signed with %v, not %v", st.Phase, *st.Active, is, want)
		}
	}
	run(0, nil, "rotate")
	sound("s1")

	notAllowed := []string{"mx1", "401 Unauthorized", "hint: "}
	f.Before = answers(http.StatusUnauthorized, 0)
	run(1, notAllowed, "rotate")
	run(1, notAllowed, "check")
	writes, busy := f.Writes, answers(http.StatusServiceUnavailable, 0)
	f.Before, f.After = nil, func(n int, w http.ResponseWriter) bool { return f.Writes > writes && busy(n, w) }
	run(1, []string{"mx1", "503 Service Unavailable", "hint: "}, "rotate")
	run(0, []string{"phase switching", "failures: "}, "status")
	f.Requests, f.Before, f.After = 0, answers(http.StatusTooManyRequests, 1), nil
	run(0, nil, "rotate", "--wait")
	sound("s2")
}

// answers says what a service answers instead; only to so many requests where that is not 0.
func answers(status, upTo int) func(n int, w http.ResponseWriter) bool {
	return func(n int, w http.ResponseWriter) bool {
		if upTo > 0 && n > upTo {
			return false
		}
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		fmt.Fprint(w, "<html>no</html>")
		return true
	}
}
