package signertest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Rspamd is a real rspamd on loopback with two workers, as the user _rspamd.
type Rspamd struct {
	Dir    string // safe for keys, removed after the test
	KeyDir string // of rspamd's user
	Log    string // path
	Milter string // its proxy's socket, as Postfix writes it
	// Nameserver is where it looks keys up to verify mail, HOST:PORT; when empty, nowhere. Set it before Start.
	Nameserver string

	workers [2]string // addresses; each reads its maps by itself
	next    atomic.Int32
	cmd     *exec.Cmd
	ended   <-chan struct{}
}

const rspamdConf = `
options {
  filters = "dkim";
  pidfile = "%[1]s/run/pid"; control_socket = "%[1]s/run/control.sock mode=0600"; cache_file = "%[1]s/run/cache";
  history_file = "%[1]s/run/history"; stats_file = "%[1]s/run/stats"; hs_cache_dir = "%[1]s/run/"; tempdir = "%[1]s/run";
  url_tld = "%[1]s/tld"; explicit_modules = ["settings"];
  map_watch_interval = 5min; map_file_watch_multiplier = 0.1; # as Debian has it
  dns { %[5]s }
}
lua = "%[1]s/start.lua";
lang_detection { languages = "%[1]s/run"; } # loading them takes most of the start
logging { type = "file"; filename = "%[1]s/run/log"; level = "info"; }
worker "normal" { bind_socket = "%[2]s"; count = 1; task_timeout = 60s; }
worker "normal" { bind_socket = "%[3]s"; count = 1; task_timeout = 60s; }
worker "rspamd_proxy" {
  bind_socket = "%[4]s"; count = 1; milter = yes; timeout = 60s; upstream "local" { default = yes; self_scan = yes; }
}
modules { path = "/usr/share/rspamd/plugins/dkim_signing.lua"; path = "/usr/share/rspamd/plugins/arc.lua"; }
dkim { }
`

// RspamdSigning returns the lines by which a module of rspamd signs from a map and a directory, as in examples/rspamd.
func RspamdSigning(keyDir, selectorMap string) string {
	return fmt.Sprintf("path = \"%s/$domain.$selector.key\";\nselector_map = \"%s\";\ntry_fallback = false;\nuse_esld = false;",
		keyDir, selectorMap)
}

// NewRspamd makes the directories of an rspamd, which Start starts.
func NewRspamd(t testing.TB) *Rspamd {
	t.Helper()
	if _, err := exec.LookPath("rspamd"); err != nil {
		t.Fatalf("rspamd is not installed; on Debian: apt-get install rspamd (%v)", err)
	}
	u, err := user.Lookup("_rspamd")
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	d := &Rspamd{Dir: SafeDir(t)}
	for i := range d.workers {
		d.workers[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))
	}
	d.Milter = "inet:" + net.JoinHostPort("127.0.0.1", strconv.Itoa(nameservertest.FreePort(t)))
	d.KeyDir, d.Log = filepath.Join(d.Dir, "dkim"), filepath.Join(d.Dir, "run", "log")
	for _, dir := range []string{d.KeyDir, filepath.Join(d.Dir, "run")} {
		must(t, os.Mkdir(dir, 0o750))
		must(t, os.Chown(dir, uid, gid))
	}
	// The arc module calls what rspamd's rules define.
	must(t, os.WriteFile(filepath.Join(d.Dir, "start.lua"), []byte("require \"global_functions\" ()\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(d.Dir, "tld"), []byte("example\nnet\n"), 0o644))
	return d
}

// Path returns a path in the directory.
func (d *Rspamd) Path(name string) string { return filepath.Join(d.Dir, name) }

// Start starts rspamd with more configuration, and stops it after the test.
func (d *Rspamd) Start(t testing.TB, more string) {
	t.Helper()
	conf := d.Path("rspamd.conf")
	resolver := `nameserver = ["127.0.0.1:1"]; timeout = 10ms; retransmits = 0;`
	if d.Nameserver != "" {
		resolver = fmt.Sprintf("nameserver = [%q]; timeout = 5s; retransmits = 3;", d.Nameserver)
	}
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf(rspamdConf, d.Dir, d.workers[0], d.workers[1],
		strings.TrimPrefix(d.Milter, "inet:"), resolver)+more), 0o644))
	d.cmd = exec.Command("rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", conf)
	said := new(strings.Builder)
	d.cmd.Stderr = said
	must(t, d.cmd.Start())
	ended := make(chan struct{})
	d.ended = ended
	go func(cmd *exec.Cmd) { cmd.Wait(); close(ended) }(d.cmd)
	t.Cleanup(func() { d.Stop(t) })
	for _, worker := range d.workers {
		d.await(t, worker, said)
	}
}

func (d *Rspamd) await(t testing.TB, worker string, said fmt.Stringer) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for {
		if answer, err := http.Get("http://" + worker + "/ping"); err == nil {
			answer.Body.Close()
			return
		}
		select {
		case <-d.ended:
			t.Fatalf("rspamd ended at once: %s %s", said, d.Said())
		case <-deadline:
			t.Fatalf("rspamd does not answer at %s: %s", worker, d.Said())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Said returns what rspamd has logged.
func (d *Rspamd) Said() string {
	text, _ := os.ReadFile(d.Log)
	return string(text)
}

// Stop ends rspamd, if it runs: its main process ends its workers.
func (d *Rspamd) Stop(t testing.TB) {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Signal(os.Interrupt)
	select {
	case <-d.ended:
	case <-time.After(time.Minute):
		d.cmd.Process.Kill()
		<-d.ended
	}
	d.cmd = nil
}

// Mail gives the next worker of rspamd a message from someone at the domain, on this machine, and returns what it signs
// it with. arc are the values of the ARC-Message-Signature fields.
func (d *Rspamd) Mail(t testing.TB, domain string) (a Answer, arc []string) {
	t.Helper()
	message := "From: someone@" + domain + "\r\nTo: someone@example.net\r\nSubject: test\r\nDate: " +
		time.Now().Format(time.RFC1123Z) + "\r\nMessage-ID: <1@" + domain + ">\r\n\r\nHello.\r\n"
	worker := d.workers[int(d.next.Add(1))%len(d.workers)]
	body := d.ask(t, worker, message, "someone@"+domain, "127.0.0.1")
	var said struct {
		Signature json.RawMessage `json:"dkim-signature"`
		Milter    struct {
			Add map[string]json.RawMessage `json:"add_headers"`
		} `json:"milter"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatalf("rspamd says %s: %v", body, err)
	}
	for _, value := range texts(said.Signature) {
		a.Signatures = append(a.Signatures, Signatures("DKIM-Signature: "+value+"\r\n"+message)...)
	}
	for _, name := range []string{"ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"} {
		for _, value := range texts(said.Milter.Add[name]) {
			lines := strings.Split(strings.ReplaceAll(value, "\r", ""), "\n")
			a.Sealed += name + ": " + strings.Join(lines, "\r\n") + "\r\n"
		}
	}
	if a.Sealed != "" {
		a.Sealed += message
	}
	return a, texts(said.Milter.Add["ARC-Message-Signature"])
}

// ask gives a worker a message that comes from an address, and returns its answer.
func (d *Rspamd) ask(t testing.TB, worker, message, from, ip string) []byte {
	t.Helper()
	ask, err := http.NewRequest("POST", "http://"+worker+"/checkv2", strings.NewReader(message))
	must(t, err)
	for name, value := range map[string]string{"From": from, "Rcpt": "someone@example.net", "IP": ip} {
		ask.Header.Set(name, value)
	}
	ask.Close = true
	answer, err := http.DefaultClient.Do(ask)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	return body
}

// texts returns the texts that stand somewhere in a value of JSON.
func texts(raw json.RawMessage) (out []string) {
	var one string
	var many []json.RawMessage
	var fields map[string]json.RawMessage
	switch {
	case json.Unmarshal(raw, &one) == nil && one != "":
		return []string{one}
	case json.Unmarshal(raw, &many) == nil:
		for _, m := range many {
			out = append(out, texts(m)...)
		}
	case json.Unmarshal(raw, &fields) == nil:
		return texts(fields["value"])
	}
	return out
}

// SignsWith returns which of the keys signs mail of the domain in every worker, so that it verifies; the zero Ref when
// mail goes out unsigned. While the workers differ it is a Ref that no key has.
func (d *Rspamd) SignsWith(t testing.TB, domain string, keys ...*dkim.PrivateKey) dkim.Ref {
	t.Helper()
	var ref dkim.Ref
	for i := range d.workers {
		a, _ := d.Mail(t, domain)
		if got := a.signedWith(t, domain, keys...); i > 0 && got != ref {
			return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: "(workers differ)"}}
		} else {
			ref = got
		}
	}
	return ref
}
