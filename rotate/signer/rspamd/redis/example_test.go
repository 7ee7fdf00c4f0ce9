package redis

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestExample guards I1: the lines of examples/mailcow for any other rspamd let it sign with the keys in Redis, and the
// setting that the page warns of keeps it from that.
func TestExample(t *testing.T) {
	page, err := os.ReadFile("../../../../examples/mailcow/README.md")
	if err != nil {
		t.Fatal(err)
	}
	const lines = `use_redis = true;
key_prefix = "dkim_keys";
selector_prefix = "dkim_selectors";
use_esld = false;
try_fallback = true;`
	if !strings.Contains(string(page), "```\n"+lines+"\n```") {
		t.Fatalf("examples/mailcow/README.md does not have the lines\n%s", lines)
	}
	r := signertest.StartRedis(t, nil)
	s := New(Config{Name: "rs", Address: r.Address, KeyPrefix: "dkim_keys", SelectorPrefix: "dkim_selectors"})
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	activate(t, s, key)
	for setting, want := range map[string]dkim.Ref{"true": key.Ref(), "false": {}} {
		d := signertest.NewRspamd(t)
		d.Start(t, fmt.Sprintf("redis { servers = %q; }\ndkim_signing {\n%s\n}\n", r.Address,
			strings.Replace(lines, "try_fallback = true", "try_fallback = "+setting, 1)))
		if got := d.SignsWith(t, "a.example", key.Key); got != want {
			t.Errorf("with try_fallback = %s it signs with %v; want %v", setting, got, want)
		}
	}
}
