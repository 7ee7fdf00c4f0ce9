package signertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// elsewhereVariable tells a test binary that it is the other process of Elsewhere.
const elsewhereVariable = "DKIMBOT_TEST_ERRAND"

// errand is what another process is to activate.
type errand struct {
	Name   string
	Config json.RawMessage
	DieAt  int32
	Keys   []errandKey
}

type errandKey struct{ Domain, Selector, PEM string }

// Main is TestMain of a package that calls Elsewhere. open makes an adapter from its configuration; the adapter calls
// step between any two operations.
func Main[C any](m *testing.M, open func(name string, cfg C, step func(operation string) error) (Signer, error)) {
	if os.Getenv(elsewhereVariable) == "" {
		os.Exit(m.Run())
	}
	var e errand
	err := json.NewDecoder(os.Stdin).Decode(&e)
	if err == nil {
		err = e.run(func(step func(string) error) (Signer, error) {
			var cfg C
			if err := json.Unmarshal(e.Config, &cfg); err != nil {
				return nil, err
			}
			return open(e.Name, cfg, step)
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (e errand) run(open func(step func(string) error) (Signer, error)) error {
	var n atomic.Int32
	s, err := open(func(string) error {
		if n.Add(1) == e.DieAt {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var keys []dkim.SigningKey
	for _, k := range e.Keys {
		key, err := dkim.ParsePrivateKey([]byte(k.PEM))
		if err != nil {
			return err
		}
		keys = append(keys, At(k.Domain, k.Selector, key))
	}
	return s.Activate(context.Background(), keys)
}

// Elsewhere activates keys in another process, which is killed before its operation dieAt, counted from 1; 0 is never.
// killed says that it came to that.
func Elsewhere(t testing.TB, name string, config any, dieAt int32, keys ...dkim.SigningKey) (killed bool, err error) {
	t.Helper()
	raw, err := json.Marshal(config)
	must(t, err)
	e := errand{Name: name, Config: raw, DieAt: dieAt}
	for _, k := range keys {
		e.Keys = append(e.Keys, errandKey{k.Domain, k.Selector, string(k.Key.PEM())})
	}
	input, err := json.Marshal(e)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), elsewhereVariable+"=1")
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		return true, nil
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return false, err
}
