package probe

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"
)

// TestFloodOfOthers: local users who connect over and over do not end the connection by which the mail server, another
// user of the same host, delivers. Wants root, to be more than one user.
func TestFloodOfOthers(t *testing.T) {
	p, m, k := listening(t)
	m.signs(k.with("s1"))
	p.Config.Timeout = mostTimeout // it takes as long as six users need to connect, on a busy machine
	var delivery sync.WaitGroup
	m.deliver = func(from, to string, message []byte) error {
		conn, err := net.Dial("tcp", p.Config.Receive.Listen)
		if err != nil {
			return err
		}
		client := smtp.NewClient(conn)
		if err := client.Hello("mta"); err != nil { // it is connected, and busy with something else for a moment
			return err
		}
		delivery.Go(func() {
			defer conn.Close()
			for uid := range 6 {
				flood(t, 60001+uid, p.Config.Receive.Listen)
				if err := client.Noop(); err != nil { // all six may take longer than a connection may be idle
					t.Error(err)
				}
			}
			if err := client.SendMail(from, []string{to}, bytes.NewReader(message)); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
	delivery.Wait()
}

// flood opens connections as another user, by a shell, and sees each of them greeted. They end with the test.
func flood(t *testing.T, uid int, address string) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	script := fmt.Sprintf(`for i in $(seq %d); do exec {c}<>/dev/tcp/%s/%s && read -r -u "$c" || exit 1; done; echo all; read -r`,
		2*mostOfOne, host, port)
	cmd := exec.Command("/bin/bash", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if said, _ := bufio.NewReader(out).ReadString('\n'); said != "all\n" {
		t.Errorf("as user %d: a newcomer was not greeted", uid)
	}
}

// TestLongHeader: a message to which the way has added very many fields, and one very long one, is read all the same.
func TestLongHeader(t *testing.T) {
	p, m, k := listening(t)
	m.signs(func(d string, b []byte) []byte {
		return slices.Concat(bytes.Repeat([]byte("X-Way: x\r\n"), 2000), []byte("X-Long: x\r\n"),
			bytes.Repeat([]byte(" x\r\n"), 20000), k.with("s1")(d, b))
	})
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
}
