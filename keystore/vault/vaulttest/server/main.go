// Command server is a real Vault for tests: one process, everything in memory,
// loopback only, initialised and unsealed. It is a module of its own, so that
// the product's go.mod stays free of the server's dependencies.
//
// It prints one JSON object on standard output when it is ready and serves until
// standard input ends, so that it never outlives the test that started it. With
// -tls DIR it serves HTTPS with a certificate from an authority of its own, whose
// certificate it writes to DIR/ca.pem.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// ready is what the process prints once it serves.
type ready struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"`
	CAFile    string `json:"ca_file,omitempty"`
}

func main() {
	tlsDir := flag.String("tls", "", "serve HTTPS and write the authority's certificate into this `directory`")
	flag.Parse()
	if err := run(*tlsDir); err != nil {
		fmt.Fprintln(os.Stderr, "vault test server:", err)
		os.Exit(1)
	}
}

func run(tlsDir string) error {
	core, out, err := start(context.Background())
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	out.Address = "http://" + ln.Addr().String()
	if tlsDir != "" {
		if ln, out.CAFile, err = serveTLS(ln, tlsDir); err != nil {
			return err
		}
		out.Address = "https://" + ln.Addr().String()
	}
	srv := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core:           core,
			ListenerConfig: &configutil.Listener{Type: "tcp", TLSDisable: tlsDir == ""},
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		srv.Close()
	}()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// start makes a core with storage in memory, initialises it with one key share
// and unseals it.
func start(ctx context.Context) (*vault.Core, ready, error) {
	level := hclog.Off
	if os.Getenv("VAULTTEST_LOG") != "" {
		level = hclog.LevelFromString(os.Getenv("VAULTTEST_LOG"))
	}
	logger := hclog.New(&hclog.LoggerOptions{Level: level, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, ready{}, err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		StorageType:        "inmem",
		DisableMlock:       true,
		Logger:             logger,
		LogicalBackends:    logicalBackends(),
		CredentialBackends: credentialBackends(),
		BuiltinRegistry:    registry{},
	})
	if err != nil {
		return nil, ready{}, err
	}
	seal := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	res, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: seal, RecoveryConfig: &vault.SealConfig{}})
	if err != nil {
		return nil, ready{}, err
	}
	// Unseal keeps and wipes the slice that it is given.
	key := hex.EncodeToString(res.SecretShares[0])
	if open, err := core.Unseal(res.SecretShares[0]); err != nil || !open {
		return nil, ready{}, fmt.Errorf("unseal: open %v, %w", open, err)
	}
	for !active(core) {
		time.Sleep(10 * time.Millisecond)
	}
	return core, ready{RootToken: res.RootToken, UnsealKey: key}, nil
}

func active(core *vault.Core) bool {
	standby, err := core.Standby()
	return err == nil && !standby && !core.Sealed()
}
