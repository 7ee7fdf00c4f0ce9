package signertest

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/lent"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// OpenVault logs in to a Vault with a token, as the program does for signers that read from it.
func OpenVault(address, token string) (signer.Vault, error) {
	store, err := vault.New(context.Background(), vault.Config{Address: address,
		Auth: vault.Token{Token: func() (string, error) { return token, nil }}})
	if err != nil {
		return nil, err
	}
	return lent.To(store), nil
}

// RspamdVault returns the lines by which a module of rspamd signs from Vault.
func RspamdVault(address, token, path string) string {
	return fmt.Sprintf("use_vault = true;\nvault_url = %q;\nvault_token = %q;\nvault_path = %q;\nuse_esld = false;",
		address, token, path)
}
