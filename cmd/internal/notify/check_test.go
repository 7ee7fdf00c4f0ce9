package notify

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

// TestCheck: what would keep notices from being sent, or switches from being allowed, is reported beforehand,
// without the secret addresses (I9); and nobody is informed of anything.
func TestCheck(t *testing.T) {
	server := httptest.NewServer(nil)
	defer server.Close()
	const closed = "127.0.0.1:1"
	at := func(text string) func() (string, error) { return func() (string, error) { return text, nil } }
	good := Config{BeforeSwitch: []Hook{{Command: []string{"true"}}}, Audit: filepath.Join(t.TempDir(), "audit.log"),
		Webhook: &Webhook{URL: at(server.URL + "/secret-token"), Timeout: time.Minute}}
	if err := preflighttest.Wrong(preflight.Ask(t.Context(), good.Check(), preflight.Usual)); err != nil {
		t.Errorf("%v", err)
	}
	bad := Config{BeforeSwitch: []Hook{{Command: []string{"dkimbot-no-such-hook"}}}, Audit: "/dev/null/audit.log",
		Webhook:   &Webhook{URL: at("http://" + closed + "/secret-token"), Timeout: time.Minute},
		Heartbeat: &Heartbeat{URL: at("secret-token"), Timeout: time.Minute},
		Mail:      &Mail{Server: closed, TLS: "never", Timeout: time.Minute}}
	want := map[string]string{"hook": "command-missing", "audit": "not-writable", "webhook": "unreachable",
		"heartbeat": "unreachable", "mail": "unreachable"}
	answers := preflight.Ask(t.Context(), bad.Check(), preflight.Usual)
	answers = slices.DeleteFunc(answers, func(a preflight.Answer) bool { return a.Unasked })
	for _, a := range answers {
		faulttest.Shown(t, a.Err)
		if string(fault.CodeOf(a.Err)) != want[a.Kind] ||
			strings.Contains(fmt.Sprint(a.Err)+fault.HintOf(a.Err), "secret-token") {
			t.Errorf("%s: code %q of %v", a.Kind, fault.CodeOf(a.Err), a.Err)
		}
	}
	if len(answers) != len(want) {
		t.Errorf("%d answers", len(answers))
	}
	missing := Config{BeforeSwitch: bad.BeforeSwitch, Audit: filepath.Join(t.TempDir(), "missing", "audit.log")}
	found := 0
	for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Questions: missing.BeforeSwitches()}}, preflight.Usual) {
		if a.Err != nil {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d things are found that keep a switch from beginning", found)
	}
}
