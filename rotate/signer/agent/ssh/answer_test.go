package ssh_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh/stdio"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestNoise: what a shell's start-up file and sshd print is passed over.
func TestNoise(t *testing.T) {
	l := newLab(t)
	must(t, os.WriteFile(l.at("banner"), []byte("Authorized use only\n"), 0o600))
	conf, err := os.ReadFile(l.Conf)
	must(t, err)
	must(t, os.WriteFile(l.Conf, append(conf, []byte("Banner "+l.at("banner")+"\nPrintMotd yes\n")...), 0o600))
	l.Stop()
	l.Start(t)
	l.instead(t, "echo Welcome to mail2; echo {; echo the disk is nearly full >&2; exec "+l.at("agent"))
	s, k := l.open(t, nil), signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	must(t, s.Activate(t.Context(), []dkim.SigningKey{k}))
	l.signsWith(t, k)
	if s.Lag() != time.Second {
		t.Errorf("the lag is %s, not the host's", s.Lag())
	}
}

// TestArguments: no argument holds a key, a shell sees none of them, and the host is one word after "--".
func TestArguments(t *testing.T) {
	argv := ssh.Config{Host: "mail2", User: "dkimbot", Port: 2222, Identity: "/i", KnownHosts: "/k", File: "/c",
		ConnectTimeout: 7 * time.Second}.Argv()
	for _, want := range [][]string{{"-o", "BatchMode=yes"}, {"-o", "StrictHostKeyChecking=yes"}, {"-F", "/c"}, {"-a"}, {"-x"},
		{"-T"}, {"-o", "ConnectTimeout=7"}, {"-o", "UserKnownHostsFile=/k"}, {"-i", "/i"}, {"-p", "2222"}, {"-l", "dkimbot"},
		{"--", "mail2", "dkimbot agent --stdio"}} {
		if i := slices.Index(argv, want[len(want)-1]); i < len(want)-1 || !slices.Equal(argv[i-len(want)+1:i+1], want) {
			t.Errorf("%q is not in %q", want, argv)
		}
	}
}

// TestDocuments: a request is read by the form that is promised.
func TestDocuments(t *testing.T) {
	id := strings.Repeat("0a", 32)
	for text, ok := range map[string]bool{
		`{"format_version":1,"action":"active","signer":"a","domains":[{"domain":"a.example","more":1}],"also":{}}`: true,
		`{"format_version":2,"action":"active"}`:                                                 false,
		`{"action":"active"}`:                                                                    false,
		`{"format_version":1} {"format_version":1}`:                                              false,
		`{"format_version":1,"domains":[{"domain":"A.example"}]}`:                                false,
		`{"format_version":1,"domains":[{"domain":"a.example"},{"domain":"a.example"}]}`:         false,
		`{"format_version":1,"domains":[{"domain":"../a"}]}`:                                     false,
		`{"format_version":1,"domains":[`:                                                        false,
		`{"format_version":1,"others":{"a.example":{"selector":"s1","key_id":"` + id + `"}}}`:    true,
		`{"format_version":1,"others":{"a.example":{"selector":"s1","key_id":"../x"}}}`:          false,
		`{"format_version":1,"others":{"a.example":{"selector":"../s1","key_id":"` + id + `"}}}`: false,
		`{"format_version":1,"others":{"../a":{"selector":"s1","key_id":"` + id + `"}}}`:         false,
		`{"format_version":1,"domains":[{"domain":"a.example"}],"others":{"a.example":{"selector":"s1","key_id":"` + id +
			`"}}}`: false,
		"": false,
	} {
		if _, err := ssh.ReadRequest(strings.NewReader(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := ssh.ReadRequest(strings.NewReader(strings.Repeat(" ", ssh.MaxDocument+1))); err == nil ||
		!strings.Contains(err.Error(), "longer") {
		t.Error(err)
	}
}

// TestAnswerAmongLines: what a shell prints before and after the answer is passed over; two answers, or one that is cut
// off, are not taken for one.
func TestAnswerAmongLines(t *testing.T) {
	const answer = `{"format_version":1,"signer":"mx2","instance":"A","active":{}}`
	for text, ok := range map[string]bool{
		answer: true,
		"Welcome\r\n\n" + answer + "\nlogout\n\n": true,
		answer + "\n" + answer[:20]:               false,
		answer[:20] + "\nlogout":                  false,
		"logout":                                  false,
		answer + answer:                           false,
		"[" + answer + "]":                        false,
	} {
		if _, got, err := ssh.ReadAnswer([]byte(text)); (err == nil) != ok || ok && string(got) != answer {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// FuzzAnswer: whatever a host answers, only what it confirms counts, and nothing breaks.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"signer":"mx2","instance":"A","ticket":"B","active":{"a.example":{"selector":"s1"}}}`))
	f.Add([]byte("motd\n" + `{"format_version":1,"signer":"mx2","instance":"A","failed":{"a.example":{"error":"x"}},"lag_ns":-1}`))
	f.Add([]byte(`{"format_version":1,"refused":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, last, err := ssh.ReadAnswer(text)
		if err != nil {
			return
		}
		if a.FormatVersion != 1 || a.Lag < 0 || a.Lag > 24*time.Hour || a.Instance == "" || !json.Valid(last) {
			t.Errorf("%+v", a)
		}
	})
}

// FuzzRequest: whatever reaches a host, it answers with one line that can be read, and changes nothing that it was not
// asked for by a whole document.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"format_version":1,"action":"activate","signer":"mx2","ticket":"T","domains":[{"domain":"a.example","selector":"s1","private_key":"x"}]}`))
	f.Add([]byte(`{"format_version":1,"action":"active","signer":"mx2","domains":[{"domain":"a.example"}]}`))
	f.Add([]byte(`{"format_version":1,"action":"forget","signer":"mx2","domains":[{"domain":"a.example"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out strings.Builder
		h := &stdio.Host{Agent: "mx2", Memory: noMemory{}, Signer: untouched{t}, Now: time.Now}
		must(t, h.Serve(t.Context(), strings.NewReader(string(text)), &out))
		if _, _, err := ssh.ReadAnswer([]byte(out.String())); err != nil {
			t.Errorf("%v: %s", err, out.String())
		}
	})
}

// noMemory remembers one ticket.
type noMemory struct{}

func (noMemory) Hold(context.Context) (stdio.Memo, func(), error) {
	return stdio.Memo{Instance: "A", Ticket: "T"}, func() {}, nil
}

func (noMemory) Save(stdio.Memo) error { return nil }
