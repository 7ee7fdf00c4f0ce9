package signertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// Redis is a real Redis on loopback that keeps nothing on disk.
type Redis struct {
	Address string

	port  string
	login []string
	cmd   *exec.Cmd
}

// StartRedis starts a server with more arguments, and stops it after the test. login is what redis-cli needs.
func StartRedis(t testing.TB, login []string, more ...string) *Redis {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatalf("redis-server is not installed; on Debian: apt-get install redis-server (%v)", err)
	}
	r := &Redis{port: strconv.Itoa(nameservertest.FreePort(t)), login: login}
	r.Address = net.JoinHostPort("127.0.0.1", r.port)
	port := []string{"--port", r.port}
	if len(more) > 0 && more[0] == "--tls-port" { // the rest of the arguments begins behind it
		port, more = []string{"--port", "0", "--tls-port", r.port}, more[1:]
	}
	r.start(t, append(append(port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir()), more...))
	return r
}

// StartSentinel starts a Sentinel that watches a server under the name "mail".
func StartSentinel(t testing.TB, primary *Redis) *Redis {
	t.Helper()
	r := &Redis{port: strconv.Itoa(nameservertest.FreePort(t))}
	r.Address = net.JoinHostPort("127.0.0.1", r.port)
	conf := filepath.Join(t.TempDir(), "sentinel.conf") // it writes there what it finds
	must(t, os.WriteFile(conf, fmt.Appendf(nil, "port %s\nbind 127.0.0.1\nsentinel monitor mail 127.0.0.1 %s 1\n",
		r.port, primary.port), 0o600))
	r.start(t, []string{conf, "--sentinel"})
	return r
}

// start runs the server and waits until it answers.
func (r *Redis) start(t testing.TB, args []string) {
	t.Helper()
	r.cmd = exec.Command("redis-server", args...)
	must(t, r.cmd.Start())
	t.Cleanup(func() { r.Stop(t) })
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", r.Address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Stop ends the server, if it runs.
func (r *Redis) Stop(t testing.TB) {
	if r.cmd != nil {
		r.cmd.Process.Kill()
		r.cmd.Wait()
		r.cmd = nil
	}
}

// Do runs a command by redis-cli and returns what it says.
func (r *Redis) Do(t testing.TB, words ...string) string {
	t.Helper()
	out, err := r.ask(words)
	if err != nil {
		t.Fatalf("redis-cli %q: %v: %s", words, err, out)
	}
	return out
}

// Says reports whether a command by redis-cli says the word. A server that becomes a replica breaks connections off.
func (r *Redis) Says(word string, words ...string) bool {
	out, err := r.ask(words)
	return err == nil && strings.Contains(out, word)
}

func (r *Redis) ask(words []string) (string, error) {
	args := append(append([]string{"-h", "127.0.0.1", "-p", r.port, "--no-auth-warning"}, r.login...), words...)
	out, err := exec.Command("redis-cli", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
