package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/emersion/go-smtp"
)

// TestFloodOfOthers: local users who connect over and over do not end the connection by which the mail server, another
// user of the same host, delivers. Wants root, to be more than one user.
func TestFloodOfOthers(t *testing.T) {
	p, m, k := listening(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.signs(k.with("s1"))
	m.deliver = func(from, to string, message []byte) error {
		conn, err := net.Dial("tcp", p.Config.Receive.Listen)
		if err != nil {
			return err
		}
		defer conn.Close()
		client := smtp.NewClient(conn)
		if err := client.Hello("mta"); err != nil { // it is connected, and busy with something else for a moment
			return err
		}
		for uid := range 6 {
			flood(t, ctx, 60001+uid, p.Config.Receive.Listen)
		}
		return client.SendMail(from, []string{to}, bytes.NewReader(message))
	}
	if err := p.Judge(p.Send(t.Context(), []string{"a.example"}, nil)[0], "s1"); err != nil {
		t.Error(err)
	}
}

// flood opens connections as another user, and sees each of them taken.
func flood(t *testing.T, ctx context.Context, uid int, address string) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // it ends with this goroutine, since it stays that user's
		id := uintptr(uid)
		if _, _, no := syscall.RawSyscall(syscall.SYS_SETRESUID, id, id, id); no != 0 {
			done <- no
			return
		}
		done <- connectAll(ctx, address)
	}()
	if err := <-done; err != nil {
		t.Errorf("as user %d: %v", uid, err)
	}
}

func connectAll(ctx context.Context, address string) error {
	for range 2 * mostOfOne {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if _, err := conn.Read(make([]byte, 1)); err != nil { // the greeting
			return fmt.Errorf("a newcomer is not greeted: %w", err)
		}
	}
	return nil
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
