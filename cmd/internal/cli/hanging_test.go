package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hangingHook is the command of signers that answer which key they use, and hang in a switch while the file "hang" is
// there; but for mx1, which is well.
const hangingHook = `cd "$1" && cat >/dev/null
if [ "$DKIMBOT_ACTION" = activate ]; then
	while [ -e hang ] && [ "$DKIMBOT_SIGNER" != mx1 ]; do touch "hangs-$DKIMBOT_SIGNER"; sleep 0.1; done
	printf '{"%s":{"selector":"%s","key_id":"%s"}}' "$DKIMBOT_DOMAIN" "$DKIMBOT_SELECTOR" "$DKIMBOT_KEY_ID" >"signs-$DKIMBOT_SIGNER"
fi
[ -e "signs-$DKIMBOT_SIGNER" ] || echo '{}' >"signs-$DKIMBOT_SIGNER"
printf '{"active":%s}' "$(cat "signs-$DKIMBOT_SIGNER")"
`

// TestHangingHooks: commands that hang in a switch keep no other signer with a compromised key, and hang at the same time
// (I2). When they go on, all of it comes to its end.
func TestHangingHooks(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.file(t, "hook", hangingHook)
	hook := fmt.Sprintf("driver: exec\ncommand: [sh, %q, %q]\ntimeout: 3m", filepath.Join(l.Dir, "hook"), l.Dir)
	l.Signer = hook
	hooks, more := []string{"hook1", "hook2", "hook3", "hook4"}, "signers:\n"
	for _, name := range hooks {
		more += "  " + name + ":\n    " + strings.ReplaceAll(hook, "\n", "\n    ") + "\n"
	}
	l.Domains = []string{"{name: example.test, provider: lab, signers: [hook1, hook2, hook3, hook4, mx1]}"}
	l.write(t)
	l.file(t, "dkimbot.yaml", strings.Replace(l.read(t, "dkimbot.yaml"), "signers:\n", more, 1))
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0)
	for _, name := range hooks {
		if signs := l.read(t, "signs-"+name); !strings.Contains(signs, `"s1"`) {
			t.Fatalf("%s signs with %s", name, signs)
		}
	}

	l.file(t, "hang", "")
	flight := make(chan result)
	go func() { flight <- l.run(t, "rotate", "--domain", "example.test", "--compromised", "--wait") }()
	eventually(t, "mx1 leaves the compromised key", func() bool { return strings.Contains(l.read(t, "signs-mx1"), `"s2"`) })
	for _, name := range hooks {
		eventually(t, name+" hangs", func() bool { _, err := os.Stat(filepath.Join(l.Dir, "hangs-"+name)); return err == nil })
		if signs := l.read(t, "signs-"+name); !strings.Contains(signs, `"s1"`) {
			t.Errorf("%s signs with %s and hangs", name, signs)
		}
	}
	must(t, os.Remove(filepath.Join(l.Dir, "hang")))
	(<-flight).want(t, 0, "s1: key", "was noted as compromised", "signer mx1 signs with it now", "was revoked in DNS")
	for _, name := range append(hooks, "mx1") {
		if signs := l.read(t, "signs-"+name); !strings.Contains(signs, `"s2"`) {
			t.Errorf("%s signs with %s", name, signs)
		}
	}
}
