package opendkim

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// packet is one of the milter protocol.
func packet(code byte, data string) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	return append(append(p, code), data...)
}

// negotiated is the answer to the first packet: version 6, all changes, no steps left out.
var negotiated = packet('O', "\x00\x00\x00\x06\x00\x00\x00\x1f\x00\x00\x00\x00")

// impostor listens at a socket and answers each packet but macros with what answer returns, for
// the first one and for each code.
func impostor(t *testing.T, answer func(code byte) []byte) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go converse(c, answer)
		}
	}()
	return "local:" + socket
}

func converse(c net.Conn, answer func(code byte) []byte) {
	defer c.Close()
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-1); err != nil {
			return
		}
		if head[4] == 'D' || head[4] == 'Q' {
			continue
		}
		if _, err := c.Write(answer(head[4])); err != nil {
			return
		}
	}
}

// asked is a signer that asks an impostor.
func asked(t *testing.T, answer func(code byte) []byte) *Signer {
	t.Helper()
	return undisturbed(t, func(c *Config) { c.Milter, c.ReloadTimeout = impostor(t, answer), 100*time.Millisecond })
}

// TestImpostor: while the daemon is down, whoever listens at its socket fills no memory, ends no
// program, and fills no screen.
func TestImpostor(t *testing.T) {
	at := func(code byte, bad []byte) func(byte) []byte {
		return func(c byte) []byte {
			switch c {
			case code:
				return bad
			case 'O':
				return negotiated
			}
			return packet('c', "")
		}
	}
	huge := []byte("\x7f\xff\xff\xffO")
	for name, tt := range map[string]struct {
		answer func(byte) []byte
		words  string
	}{
		"empty packet":      {at('O', make([]byte, 4)), "a packet has no octets"},
		"huge packet":       {at('O', huge), "more than 1048576 octets"},
		"huge packet later": {at('R', huge), "more than 1048576 octets"},
		"endless changes": {at('E', bytes.Repeat(packet('h', "X\x00"+strings.Repeat("y", 1000)+"\x00"), 2000)),
			"more than 1048576 octets"},
		"no code of its own": {at('R', packet(0x9b, "")), "unexpected code"},
		"many selectors": {at('E',
			append(bytes.Repeat(packet('h', "DKIM-Signature\x00d=a.example; s="+strings.Repeat("x", 300)+"\x00"), 2),
				packet('c', "")...)), "signs with the selectors"},
	} {
		t.Run(name, func(t *testing.T) {
			s := asked(t, tt.answer)
			write(t, s.keyTable, "")
			write(t, s.signTable, "")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := s.Active(t.Context(), []string{"a.example"})
			runtime.ReadMemStats(&after)
			wantWords(t, err, tt.words)
			if err != nil && len(err.Error()) > 1000 {
				t.Errorf("%d octets: %.300s", len(err.Error()), err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
				t.Errorf("%d octets of memory were taken", took)
			}
		})
	}
}

// TestRefusalIsOneLine: the text with which mail is turned away can't look like lines of dkimbot's own.
func TestRefusalIsOneLine(t *testing.T) {
	said := "550 5.7.1 no\r\n\n# all is well\n" + strings.Repeat("x", 60000) + "\x00"
	s := asked(t, func(code byte) []byte {
		switch code {
		case 'O':
			return negotiated
		case 'R':
			return packet('y', said)
		}
		return packet('c', "")
	})
	write(t, s.keyTable, "")
	write(t, s.signTable, "")
	err := withTime(s, func() error {
		return s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])})
	}, "it answered")
	wantWords(t, err, "it answered 550 5.7.1 no # all is well xxx")
	if text := err.Error(); strings.Contains(text, "\n#") || len(text) > 1500 {
		t.Errorf("%d octets: %.300q", len(text), text)
	}
}
