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
				return fmt.Sprintf("  %s: { driver: opendkim, key_dir: %s/%s, key_table: %s/%s, signing_table: %s/%s, reload: "+
					"[\"true\"] }\n",
					name, dir, keys, dir, keyTable, dir, signTable)
			}
			_, err := text(t, "signers:\n"+signer("mx1", "one/keys", "one/key.table", "one/signing.table")+
				signer("mx2", test.keys, test.keyTable, test.signTable), nil)
			if got := fmt.Sprint(err); strings.Contains(got, "already") != (test.want != "") ||
				!strings.Contains(got, test.want) {
				t.Errorf("%v; want %q", err, test.want)
			}
		})
	}
}

// TestPathsOfOpenDKIM: validate refuses the paths that the signer refuses, wherever in the resolved path
// the character stands: also in the directory of the configuration file.
func TestPathsOfOpenDKIM(t *testing.T) {
	for _, part := range []string{"a b", "a b:c", "a#:c", "a%", "a\tb:c"} {
		for _, place := range []string{"key_dir", "key_table", "signing_table", "configuration"} {
			paths := map[string]string{"key_dir": "keys", "key_table": "file:key.table", "signing_table": "refile:signing.table"}
			dir := t.TempDir()
			if place == "configuration" {
				dir = filepath.Join(dir, part)
			} else if kind, path, ok := strings.Cut(paths[place], ":"); ok {
				paths[place] = kind + ":" + part + "/" + path
			} else {
				paths[place] = part + "/keys"
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "dkimbot.yaml")
			write(t, file, 0o600, fmt.Sprintf("signers:\n  mx1: { driver: opendkim, key_dir: %q, key_table: "+
				"%q, signing_table: %q, reload: [\"true\"] }\n",
				paths["key_dir"], paths["key_table"], paths["signing_table"]))
			_, err := Load(file)
			for key := range paths {
				told := strings.Contains(fmt.Sprint(err), "mx1."+key+": ")
				if want := key == place || place == "configuration"; told != want {
					t.Errorf("%q in %s: told of %s: %v; want %v in %v", part, place, key, told, want, err)
				}
			}
		}
	}
}
