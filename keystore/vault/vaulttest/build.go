package vaulttest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Binary returns the path of the server's program, and builds it if nobody has
// built it from these sources with this Go yet. Of several processes one builds and
// the others wait.
func Binary(ctx context.Context) (string, error) {
	src, err := sources(ctx)
	if err != nil {
		return "", err
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	key, err := contentKey(src)
	if err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	binary := filepath.Join(dir, "server-"+key)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := build(ctx, src, binary); err != nil {
		return "", err
	}
	removeOthers(dir, binary)
	return binary, nil
}

// sources returns the directory of the server's module. The go command knows where
// it is; the test's own directory is anywhere in the main module.
func sources(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}",
		"github.com/dkimbot/dkimbot/keystore/vault/vaulttest").Output()
	if err != nil {
		return "", fmt.Errorf("find the Vault server's sources: %w", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "server"), nil
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "dkimbot-vaulttest")
	return dir, os.MkdirAll(dir, 0o700)
}

// contentKey changes whenever the program built from src would.
func contentKey(src string) (string, error) {
	files, err := filepath.Glob(filepath.Join(src, "*.go"))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum", "build"} {
		files = append(files, filepath.Join(src, name))
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", filepath.Base(file), sha256.Sum256(data))
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}

func build(ctx context.Context, src, binary string) error {
	fmt.Fprintln(os.Stderr, "vaulttest: building the Vault server; the first time takes some five minutes")
	partial := binary + ".part"
	script := filepath.Join(src, "build")
	out, err := exec.CommandContext(ctx, script, partial).CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("the Vault server was not built in time; "+
			"build it once by hand: %s /dev/null", script)
	}
	if err != nil {
		return fmt.Errorf("build the Vault server: %w\n%s", err, out)
	}
	return os.Rename(partial, binary)
}

// removeOthers removes programs of earlier sources: each takes 100 MB. One that
// still runs is not harmed.
func removeOthers(dir, keep string) {
	old, _ := filepath.Glob(filepath.Join(dir, "server-*"))
	for _, file := range old {
		if file != keep {
			os.Remove(file)
		}
	}
}

// lock waits until this process alone holds the lock; the system releases it when
// the process ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("waiting for another process that builds the Vault server: %w", ctx.Err())
		}
	}
	return func() { f.Close() }, nil
}
