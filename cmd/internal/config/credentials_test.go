package config

import (
	"os"
	"path/filepath"
	"testing"
)

// A relative secret file is taken from $CREDENTIALS_DIRECTORY when it is there,
// else from beside the configuration.
func TestCredentialsDirectory(t *testing.T) {
	creds := t.TempDir()
	write(t, filepath.Join(creds, "token"), 0o400, "from systemd")
	yaml := "keystore: { driver: vault, address: 'https://v', auth: { method: approle, role_id_file: " +
		"token, secret_id_file: beside } }\n"
	t.Chdir(t.TempDir())
	write(t, "token", 0o600, "beside")
	write(t, "beside", 0o600, "beside")
	write(t, "dkimbot.yaml", 0o600, yaml)
	for dir, want := range map[string]string{creds: "from systemd", "": "beside", filepath.Join(creds, "none"): "beside"} {
		c, err := load("dkimbot.yaml", func(k string) (string, bool) {
			if k == "CREDENTIALS_DIRECTORY" {
				return dir, dir != ""
			}
			return "", false
		})
		if err != nil {
			t.Fatal(err)
		}
		role, err1 := c.Keystore.Vault.Auth.RoleID.Read()
		id, err2 := c.Keystore.Vault.Auth.SecretID.Read()
		if role != want || id != "beside" || err1 != nil || err2 != nil {
			t.Errorf("with %q: got %q and %q, %v, %v; want %q", dir, role, id, err1, err2, want)
		}
	}
	if _, err := os.Stat("token"); err != nil {
		t.Fatal(err)
	}
}
