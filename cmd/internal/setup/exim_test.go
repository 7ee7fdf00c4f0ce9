package setup

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// eximHost is a host whose Exim prints what a real one makes of a configuration.
func eximHost(t *testing.T, e *signertest.Exim) found.Host {
	t.Helper()
	h := host(t, map[string]string{"/usr/sbin/exim4": "", "/etc/exim4/exim4.conf": ""})
	h.Ask = func(ctx context.Context, program string, args ...string) ([]byte, error) {
		if program != "/usr/sbin/exim4" {
			t.Errorf("%s is asked", program)
		}
		return exec.CommandContext(ctx, "exim4", append([]string{"-C", e.Conf}, args...)...).Output()
	}
	return h
}

// An Exim that signs with one key comes to a lookup file by what is said, and mail is signed with the same
// key and selector before and after (I1).
func TestEximComesToALookupFile(t *testing.T) {
	e := signertest.StartExim(t)
	key := keyOf(t, 2048)
	file := e.KeyDir + "/example.com.pem"
	must(t, os.WriteFile(file, []byte(key), 0o644))
	conf, err := os.ReadFile(e.Conf)
	must(t, err)
	fixed := "MACRO = " + file + "\n" + strings.Replace(string(conf), signertest.EximSigning(e.Table),
		"dkim_domain = example.com\n  dkim_selector = mail\n  dkim_private_key = MACRO", 1)
	must(t, os.WriteFile(e.Conf, []byte(fixed), 0o644))
	signs := func(when string) {
		t.Helper()
		if got := e.Mail(t, "example.com").String(); got != "d=example.com s=mail" {
			t.Errorf("%s, mail is signed by %q", when, got)
		}
	}
	signs("at first")

	all := find(t, eximHost(t, e))
	if len(all) != 1 || len(all[0].Domains) != 1 || all[0].Domains[0].Key != file {
		t.Fatalf("found %+v", all)
	}
	want := []found.Pair{{Key: "driver", Value: "exim"}, {Key: "key_dir", Value: "/etc/exim4/dkim"}, {Key: "table", Value: "/etc/exim4/dkim.table"},
		{Key: "owner", Value: "root"}}
	if diff := cmp.Diff(want, all[0].Keys); diff != "" && !strings.Contains(diff, "owner") {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if got := text(t, all); !strings.Contains(got, "dkimbot adopt --domain example.com --key-file "+file+
		" --selector mail") {
		t.Errorf("no adoption in\n%s", got)
	}

	script, transport := "", []string{}
	for _, line := range all[0].Before {
		line = strings.ReplaceAll(line, "/etc/exim4/dkim.table", e.Table)
		if said, ok := strings.CutPrefix(line, "#   "); ok {
			transport = append(transport, said)
		} else {
			script += line + "\n"
		}
	}
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, script)
	}
	moved := strings.Replace(fixed, "dkim_domain = example.com\n  dkim_selector = mail\n  dkim_private_key = MACRO",
		strings.Join(transport, "\n"), 1)
	must(t, os.WriteFile(e.Conf, []byte(moved), 0o644))
	signs("from the lookup file")

	h := eximHost(t, e)
	must(t, os.MkdirAll(h.At(e.Dir), 0o755))
	table, err := os.ReadFile(e.Table)
	must(t, err)
	must(t, os.WriteFile(h.At(e.Table), table, 0o644))
	again := find(t, h)
	if len(again) != 1 || len(again[0].Before) != 0 || len(again[0].Domains) != 1 ||
		again[0].Domains[0].Selector != "mail" {
		t.Errorf("with the lookup file it finds %+v", again)
	}
	text(t, again)
}

// An Exim that can't be asked, or signs nothing, or takes its key from elsewhere, is told or left out.
func TestOtherExims(t *testing.T) {
	h := host(t, map[string]string{"/usr/sbin/exim4": ""})
	if all := find(t, h); len(all) != 1 ||
		!strings.Contains(all[0].Remarks[0], "run 'dkimbot init' on that host") {
		t.Errorf("a copy of a host: %+v", all)
	}
	for name, test := range map[string]struct {
		out  string
		err  error
		want string
	}{
		"no signing": {out: "remote transport:\ndkim_domain = \ndkim_private_key = \n"},
		"it fails":   {err: errors.New("permission denied"), want: "-bP transports' has failed"},
		"a file of bare paths": {out: "a transport:\ndkim_domain = a.example\ndkim_selector = mail\n" +
			"dkim_private_key = ${lookup{$dkim_domain}lsearch{/etc/exim4/keys}{$value}{0}}\n",
			want: "# Write a line for each domain of the transport a into /etc/exim4/dkim.table"},
		"a path with the domain in it": {out: "a transport:\ndkim_domain = a.example\ndkim_selector = mail\n" +
			"dkim_private_key = /etc/exim4/dkim/$dkim_domain.pem\n",
			want: "echo 'a.example: selector=mail privkey=/etc/exim4/dkim/a.example.pem' >>/etc/exim4/dkim.table"},
		"an expression": {out: "a transport:\ndkim_domain = x\ndkim_selector = y\n" +
			"dkim_private_key = ${if exists{/k}{/k}{}}\n", want: "# Write a line for each domain of the transport a"},
	} {
		h.Ask = func(context.Context, string, ...string) ([]byte, error) { return []byte(test.out), test.err }
		all := find(t, h)
		if test.want == "" {
			if len(all) != 0 {
				t.Errorf("%s: %+v", name, all)
			}
			continue
		}
		if len(all) != 1 || !strings.Contains(strings.Join(append(all[0].Remarks, all[0].Before...), "\n"), test.want) {
			t.Errorf("%s: %+v", name, all)
		}
		text(t, all)
	}
}
