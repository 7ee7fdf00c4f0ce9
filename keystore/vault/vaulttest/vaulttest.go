// Package vaulttest gives tests a real Vault server: Start returns one that runs
// in a process of its own, keeps everything in memory, answers on a random loopback
// port, and ends with the test.
//
// The server is the module below this package. It is built once, into the user's
// cache directory; the first time takes some five minutes of one core, longer than
// go test waits by default, so build it ahead:
// keystore/vault/vaulttest/server/build /dev/null
//
// It has a KV version 2 engine at "secret", as Vault's own development server has,
// and AppRole login at "approle". Namespaces are not in the open edition.
package vaulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// Server is a running Vault: initialised, unsealed, with one key share.
type Server struct {
	Address   string `json:"address"`
	RootToken string `json:"root_token"`
	UnsealKey string `json:"unseal_key"`
	CAFile    string `json:"ca_file"` // the authority to trust; "" without TLS

	root *api.Client
}

// Start starts a server that speaks plain HTTP and stops it when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t)
}

// StartTLS starts a server that speaks HTTPS with a certificate from an authority of its own.
func StartTLS(t testing.TB) *Server {
	t.Helper()
	return start(t, "-tls", t.TempDir())
}

func start(t testing.TB, args ...string) *Server {
	t.Helper()
	binary, err := Binary(buildContext(t))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd, stdin) })
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	s := &Server{}
	err = json.NewDecoder(stdout).Decode(s)
	if !late.Stop() || err != nil {
		stop(cmd, stdin)
		t.Fatalf("the Vault server did not start: %v\n%s", err, stderr.Bytes())
	}
	s.root = s.Client(t, s.RootToken)
	s.Mount(t, "secret", "2")
	check(t, s.root.Sys().EnableAuthWithOptions("approle", &api.EnableAuthOptions{Type: "approle"}))
	return s
}

// stop ends the process: the server stops when its standard input does.
func stop(cmd *exec.Cmd, stdin io.Closer) {
	stdin.Close()
	late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	cmd.Wait()
}

// buildContext ends shortly before the test's own deadline, so that a build that
// takes too long is reported as such.
func buildContext(t testing.TB) context.Context {
	d, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return t.Context()
	}
	deadline, ok := d.Deadline()
	if !ok {
		return t.Context()
	}
	ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-5*time.Second))
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
