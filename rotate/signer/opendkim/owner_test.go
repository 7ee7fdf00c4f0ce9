package opendkim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestKeysForNobodyKnown: where keys would be for root alone, and no probe shows whether OpenDKIM can read
// them, that is refused by name before the first key is made (I1). Whoever names the user, gives the directory
// to him, asks the daemon or runs none continues.
func TestKeysForNobodyKnown(t *testing.T) {
	needRoot(t)
	for name, tc := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"missing":     {nil, "is not there yet"},
		"root's":      {func(c *Config) { c.KeyDir = filepath.Dir(c.KeyDir) }, "belongs to root"},
		"owner":       {func(c *Config) { c.Owner = "opendkim" }, ""},
		"owner root":  {func(c *Config) { c.Owner = "root" }, ""},
		"milter":      {func(c *Config) { c.Milter = "inet:127.0.0.1:1" }, ""},
		"no OpenDKIM": {func(c *Config) { c.Reload = []string{"true"} }, ""},
		"another's": {func(c *Config) {
			mustBeNil(t, errors.Join(os.Mkdir(c.KeyDir, 0o700), os.Chown(c.KeyDir, 12345, 12345)))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := signertest.SafeDir(t)
			cfg := Config{Name: "mx1", KeyDir: filepath.Join(dir, "keys"), KeyTable: filepath.Join(dir, "key.table"),
				SigningTable: filepath.Join(dir, "signing.table"),
				Reload:       []string{"systemctl", "reload", "opendkim"}}
			if tc.edit != nil {
				tc.edit(&cfg)
			}
			s, err := New(cfg) // as validate does
			if err == nil {
				_, err = s.Active(t.Context(), []string{"example.com"})
			}
			if tc.want == "" {
				if err != nil && strings.Contains(err.Error(), "key_dir") {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(fault.HintOf(err), "owner: opendkim") {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			faulttest.Shown(t, err)
		})
	}
}

func mustBeNil(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
