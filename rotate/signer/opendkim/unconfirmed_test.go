package opendkim

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestUnconfirmedForever guards I2: where a change was cut off and is not tried again, as of a domain that the signer was
// taken off, Active does not say for ever that the key from before signs.
func TestUnconfirmedForever(t *testing.T) {
	for name, edit := range map[string]func(*Config){"asked": nil, "believed": withoutMilter} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			k := signertest.Keys(t, 2)
			before, after := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
			activate(t, newSigner(t, d, edit), before)
			cut := newSigner(t, d, func(c *Config) {
				if edit != nil {
					edit(c)
				}
				c.Reload = []string{"/bin/sh", "-c", strings.Join(d.Reload(), " ") + "; exit 1"}
			})
			if err := cut.Activate(t.Context(), []dkim.SigningKey{after}); err == nil {
				t.Fatal("no error")
			}
			s := newSigner(t, d, edit)
			wantActive(t, s, before)
			if got := d.SignsWith(t, "a.example", k...); got != after.Ref() {
				t.Fatalf("the daemon signs with %v", got)
			}
			if edit == nil {
				long := time.Now().Add(-s.Lag() - time.Minute)
				if err := os.Chtimes(s.pendingPath(), long, long); err != nil {
					t.Fatal(err)
				}
				wantActive(t, s, after)
			}
			write(t, d.SigningTable, "")
			if said, err := exec.Command(d.Reload()[0], d.Reload()[1:]...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if got, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(got) > 0 {
				t.Errorf("of a domain that somebody took out it says %v, %v", got, err)
			}
		})
	}
}
