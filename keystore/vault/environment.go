package vault

import (
	"fmt"
	"os"
	"strconv"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Vault's client follows many variables of the environment. Those that say whom it
// talks to, or whom it trusts, count only where dkimbot's documentation names them:
// VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT, and VAULT_CLIENT_CERT with its key. The others
// are refused by name, so that people do not rely on one in vain. What remains, such as
// time limits, is ignored.

// refused are the variables that are refused, and what to do instead.
func refused(cfg Config) [][2]string {
	const proxy = "dkimbot asks the server at keystore.address itself; when that is https, HTTPS_PROXY counts as usual"
	out := [][2]string{
		{"VAULT_SKIP_VERIFY", "Vault's certificate is always verified: set keystore.ca_file to the authority that signed it"},
		{"VAULT_TLS_SERVER_NAME", "write the name that Vault's certificate holds in keystore.address"},
		{"VAULT_PROXY_ADDR", proxy},
		{"VAULT_HTTP_PROXY", proxy},
		{"VAULT_SRV_LOOKUP", "write the server's own name and port in keystore.address"},
		{"VAULT_HEADERS", "dkimbot sends no headers but its own"},
	}
	if cfg.CAFile == "" {
		const file = "put the authorities' certificates into one file and name it in keystore.ca_file"
		out = append(out, [2]string{"VAULT_CAPATH", file}, [2]string{"VAULT_CACERT_BYTES", file})
	}
	return out
}

// checkEnvironment refuses variables that would steer or weaken the connection.
func checkEnvironment(what string, cfg Config) error {
	for _, v := range refused(cfg) {
		name, instead := v[0], v[1]
		value := os.Getenv(name)
		if set, err := strconv.ParseBool(value); value == "" || err == nil && !set {
			continue
		}
		return fault.Lasting(what, fmt.Errorf("the environment variable %s is set, and dkimbot does not follow it", name),
			fmt.Sprintf("unset %s; %s", name, instead))
	}
	return nil
}
