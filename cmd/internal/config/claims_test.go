package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneHost guards I8: a host under two signer names is told, whatever the names of its files.
func TestOneHost(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one", "two", "one/keys", "two/keys"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"one/key.table", "one/signing.table", "two/key.table"} {
		write(t, filepath.Join(dir, name), 0o600, "")
	}
	link := func(old, name string, make func(string, string) error) {
		if err := make(filepath.Join(dir, old), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("one/key.table", "two/linked.table", os.Symlink)
	link("one/signing.table", "two/hard.table", os.Link)
	link("one", "three", os.Symlink)
	for name, test := range map[string]struct{ keys, keyTable, signTable, want string }{
		"nothing shared":           {"two/keys", "two/key.table", "two/new.table", ""},
		"symbolic link":            {"two/keys", "two/linked.table", "two/new.table", "mx2.key_table"},
		"hard link":                {"two/keys", "two/key.table", "two/hard.table", "mx2.signing_table"},
		"linked directory":         {"two/keys", "two/key.table", "three/signing.table", "mx2.signing_table"},
		"table that is not there":  {"two/keys", "two/key.table", "three/later.table", ""},
		"linked key directory":     {"three/keys", "two/key.table", "two/new.table", "mx2.key_dir"},
		"KeyTable as SigningTable": {"two/keys", "two/new.table", "one/key.table", "mx2.signing_table"},
	} {
		t.Run(name, func(t *testing.T) {
			signer := func(name, keys, keyTable, signTable string) string {
				return fmt.Sprintf("  %s: { driver: opendkim, key_dir: %s/%s, key_table: %s/%s, signing_table: %s/%s, reload: [\"true\"] }\n",
					name, dir, keys, dir, keyTable, dir, signTable)
			}
			_, err := text(t, "signers:\n"+signer("mx1", "one/keys", "one/key.table", "one/signing.table")+signer("mx2", test.keys, test.keyTable, test.signTable), nil)
			if got := fmt.Sprint(err); strings.Contains(got, "already") != (test.want != "") || !strings.Contains(got, test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}
