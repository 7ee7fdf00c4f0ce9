package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// verdict is what a verifier made of a message.
type verdict struct {
	Pass     bool   `json:"pass"`
	Why      string `json:"why"`
	Domain   string `json:"domain"`   // d= of the signature that was verified
	Selector string `json:"selector"` // s=
}

// checker verifies messages. It is safe for concurrent use.
type checker interface {
	Name() string
	verify(path string) verdict
}

// Name returns what people call it.
func (v *verifier) Name() string { return v.name }

// verifier is a program that verifies one message after the other, for as long as
// its standard input is open. It looks keys up at one name server.
type verifier struct {
	name string
	mu   sync.Mutex
	in   io.Writer
	out  *bufio.Reader
}

// newVerifiers starts dkimpy and Mail::DKIM, which ask the name server itself, and
// Mail::DKIM once more as a receiver that keeps each key for the settle time.
func newVerifiers(t testing.TB, server string, hoard *hoarder) []*verifier {
	t.Helper()
	python := []string{"/usr/bin/python3", "testdata/verify.py"}
	perl := []string{"perl", "testdata/verify.pl"}
	keeper := nameservertest.StartLiar(t, "", 0, hoard.ServeDNS)
	return []*verifier{
		startVerifier(t, "dkimpy", python, server),
		startVerifier(t, "Mail::DKIM", perl, server),
		startVerifier(t, "Mail::DKIM with old keys", perl, keeper.Addr),
	}
}

func startVerifier(t testing.TB, name string, argv []string, server string) *verifier {
	t.Helper()
	host, port, err := net.SplitHostPort(server)
	must(t, err)
	cmd := exec.Command(argv[0], append(argv[1:], host, port)...)
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v; on Debian: apt-get install python3-dkim libmail-dkim-perl", name, err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("%s ended: %v\n%s", name, err, stderr)
		}
	})
	v := &verifier{name: name, in: in, out: bufio.NewReader(out)}
	// A message that was never signed shows that the program is there and can say no.
	if got := v.verify(os.DevNull); got.Pass || strings.HasPrefix(got.Why, "the verifier") {
		t.Fatalf("%s says of an empty message: %+v; on Debian: apt-get install python3-dkim libmail-dkim-perl", name, got)
	}
	return v
}

// verify returns the verdict on the message in a file.
func (v *verifier) verify(path string) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	var got verdict
	_, err := fmt.Fprintln(v.in, path)
	if err == nil {
		var line []byte
		if line, err = v.out.ReadBytes('\n'); err == nil {
			err = json.Unmarshal(line, &got)
		}
	}
	if err != nil {
		return verdict{Why: fmt.Sprintf("the verifier gave no verdict: %v", err)}
	}
	return got
}
