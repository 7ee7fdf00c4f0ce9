package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	f.Answer(answers(http.StatusUnauthorized, 0), nil)
	run(1, notAllowed, "rotate")
	run(1, notAllowed, "check")
	writes, busy := f.Writes, answers(http.StatusServiceUnavailable, 0)
	f.Answer(nil, func(n int, w http.ResponseWriter) bool { return f.Writes > writes && busy(n, w) })
	run(1, []string{"mx1", "503 Service Unavailable", "hint: "}, "rotate")
	run(0, []string{"phase switching", "failures: "}, "status")
	f.Answer(answers(http.StatusTooManyRequests, 1), nil)
	run(0, nil, "rotate", "--wait")
	sound("s2")
}

// hook is a command of an operator's that fails as the file trouble says: before it has switched, after that, or with
// an answer that confirms nothing.
const hook = `#!/bin/sh
case $DKIMBOT_ACTION$(cat "$1/trouble") in
*before) echo the mail server is away >&2; exit 4 ;;
activateafter) "$2" "$1/signs"; echo the reload failed >&2; exit 5 ;;
activatewords) echo '{"active":{}}' ;;
*) exec "$2" "$1/signs" ;;
esac
`

// TestOwnSignerFails guards I1 and I10 with signers of the operator's own, a command and an endpoint that runs it: what
// fails before or after it has switched, or confirms nothing, is no switch and is said; the next run continues.
func TestOwnSignerFails(t *testing.T) {
	t.Parallel()
	example, err := filepath.Abs("../../../examples/signers/set-selector")
	must(t, err)
	for _, driver := range []string{"exec", "http"} {
		l := newLab(t, "example.test")
		must(t, os.Mkdir(filepath.Join(l.Dir, "signs"), 0o700))
		l.file(t, "hook", hook)
		argv := []string{"sh", filepath.Join(l.Dir, "hook"), l.Dir, example}
		l.Signer = "driver: exec\ncommand: [" + strings.Join(argv, ", ") + "]\nlag: 1ms"
		if driver == "http" {
			l.file(t, "token", "t0ken-of-the-endpoint")
			l.Signer = "driver: http\nurl: " + endpoint(t, argv) + "\ntoken_file: token\nlag: 1ms"
		}
		l.file(t, "trouble", "none")
		l.write(t)
		run := func(trouble string, code int, says []string, args ...string) {
			t.Helper()
			l.file(t, "trouble", trouble)
			l.run(t, append(args, "--domain", "example.test")...).want(t, code, says...)
		}
		signs := func(selector string) {
			t.Helper()
			if is := strings.Fields(l.read(t, "signs/example.test")); is[0] != selector {
				t.Errorf("%s: it is signed with %v", driver, is)
			}
		}
		run("none", 0, nil, "rotate")
		run("before", 1, []string{"mx1", "the mail server is away", "hint: "}, "check")
		run("before", 1, []string{"mx1", "the mail server is away", "hint: "}, "rotate")
		signs("s1")
		run("words", 1, []string{"mx1", "does not confirm this domain", "hint: "}, "rotate")
		signs("s1")
		run("after", 1, []string{"mx1", "the reload failed", "hint: "}, "rotate")
		signs("s2")
		run("none", 0, []string{"phase switching", "failures: "}, "status")
		run("none", 0, nil, "rotate", "--wait")
		signs("s2")
		if st := l.status(t, "example.test"); st.Phase != "ready" || *st.Active != "s2" {
			t.Errorf("%s: phase %s, active %s", driver, st.Phase, *st.Active)
		}
	}
}

// endpoint runs a command for each request that has the token, and returns its address. What the command says when it
// fails is the text of an answer that is not tried again.
func endpoint(t *testing.T, argv []string) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var document bytes.Buffer
		document.ReadFrom(r.Body)
		cmd := exec.CommandContext(r.Context(), argv[0], argv[1:]...)
		for _, action := range []string{"activate", "active", "forget"} {
			if strings.Contains(document.String(), `"action":"`+action+`"`) {
				cmd.Env = append(os.Environ(), "DKIMBOT_ACTION="+action)
			}
		}
		var said bytes.Buffer
		cmd.Stdin, cmd.Stderr = &document, &said
		answer, err := cmd.Output()
		switch {
		case r.Header.Get("Authorization") != "Bearer t0ken-of-the-endpoint":
			http.Error(w, "who is that?", http.StatusUnauthorized)
		case err != nil:
			http.Error(w, said.String(), http.StatusUnprocessableEntity)
		default:
			w.Write(answer)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
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
