package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/mailgun/mailguntest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// posing answers as a host on the Internet would, for programs that are told of the proxy and of the authority in the
// variables that it returns.
func posing(t *testing.T, l *lab, host string, as http.Handler) (env []string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	must(t, err)
	l.file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	service := httptest.NewUnstartedServer(as)
	service.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	service.StartTLS()
	t.Cleanup(service.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != host+":443" {
			http.Error(w, "no way to "+r.Host, http.StatusBadGateway)
			return
		}
		there, err := net.Dial("tcp", service.Listener.Addr().String())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(there, here)
			there.Close()
		}()
		io.Copy(here, there)
	}))
	t.Cleanup(proxy.Close)
	return []string{"HTTPS_PROXY=" + proxy.URL, "SSL_CERT_FILE=" + filepath.Join(l.Dir, "ca.pem")}
}

// TestMailgunFails guards I1 and I10 with Mailgun as the signer: while it refuses what is asked of it, or answers no
// more in the middle of a switch, the domain is signed with a key whose record stands; what is not confirmed is no
// switch, and is said; when it answers again, the next run continues.
func TestMailgunFails(t *testing.T) {
	t.Parallel()
	l, f := newLab(t, "example.test"), mailguntest.Start(t, "example.test")
	l.Env = posing(t, l, "api.eu.mailgun.net", f)
	l.file(t, "api.key", mailguntest.APIKey)
	l.Signer = "driver: mailgun\nregion: eu\napi_key_file: api.key\npatience: 1s\nlag: 1ms"
	l.write(t)
	run := func(code int, says []string, args ...string) {
		t.Helper()
		r := l.run(t, append(args, "--domain", "example.test")...).want(t, code, says...)
		if strings.Contains(r.out+r.stderr, mailguntest.APIKey) {
			t.Errorf("the API key is shown:\n%s%s", r.out, r.stderr)
		}
	}
	signs := func(selectors ...string) {
		t.Helper()
		var want []dkim.Ref
		for _, selector := range selectors {
			id := l.status(t, "example.test").Selectors[selector].KeyID
			want = append(want, dkim.Ref{Name: dkim.Name{Domain: "example.test", Selector: selector}, KeyID: id})
		}
		if is := f.Sign("example.test"); !slices.Equal(is, want) {
			t.Errorf("it is signed with %v, not %v", is, want)
		}
	}
	// trouble has each request of a method refused whose path ends so, from the nth on.
	trouble := func(nth, status int, method, end string) {
		f.Interfere(func(_ int, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method || !strings.HasSuffix(r.URL.Path, end) {
				return false
			}
			if nth--; nth > 0 {
				return false
			}
			http.Error(w, `{"message":"not `+mailguntest.APIKey+`"}`, status)
			return true
		})
	}
	run(0, nil, "rotate")
	run(0, nil, "check")
	signs("s1")

	trouble(1, http.StatusUnauthorized, http.MethodGet, "")
	run(1, []string{"mx1", "401 Unauthorized", "hint: "}, "check")
	run(1, []string{"mx1", "401 Unauthorized", "hint: "}, "rotate")
	trouble(1, http.StatusForbidden, http.MethodPost, "")
	run(1, []string{"mx1", "403 Forbidden", "hint: "}, "rotate")
	signs("s1")
	trouble(1, http.StatusBadRequest, http.MethodPut, "/s2/activate")
	run(1, []string{"mx1", "does not activate the key yet", "hint: "}, "rotate")
	signs("s1")
	trouble(1, http.StatusForbidden, http.MethodPut, "/s1/deactivate")
	run(1, []string{"mx1", "403 Forbidden", "hint: "}, "rotate")
	signs("s1", "s2") // both records stand: mail with two signatures verifies
	run(0, []string{"phase switching", "failures: "}, "status")
	f.Interfere(nil)
	run(0, nil, "rotate", "--wait")
	signs("s2")
	if st := l.status(t, "example.test"); st.Phase != "ready" || *st.Active != "s2" {
		t.Errorf("phase %s, active %s", st.Phase, *st.Active)
	}
}

// TestKumoMTAFails guards I1 and I10 with the data file of a KumoMTA: what its own check refuses, or what a person has
// written there, is no switch and is said; the file is what it was, and the next run continues.
func TestKumoMTAFails(t *testing.T) {
	t.Parallel()
	l := labIn(t, signertest.SafeDir(t), "example.test")
	l.file(t, "kumod", "#!/bin/sh\nif test -e \"$1\"; then echo init.lua:3: no such helper >&2; exit 1; fi\n")
	l.Signer = "driver: kumomta\nfile: kumo/dkimbot.toml\nkey_dir: kumo/keys\nowner: " + whoRuns(t) +
		"\nvalidate: [sh, " + filepath.Join(l.Dir, "kumod") + ", " + filepath.Join(l.Dir, "broken") + "]\nlag: 1ms"
	l.write(t)
	run := func(code int, says []string, args ...string) {
		t.Helper()
		l.run(t, append(args, "--domain", "example.test")...).want(t, code, says...)
	}
	signs := func(selector string) {
		t.Helper()
		if is := l.read(t, "kumo/dkimbot.toml"); strings.Count(is, "selector") != 1 || !strings.Contains(is, `"`+selector+`"`) {
			t.Errorf("not signed with %s alone:\n%s", selector, is)
		}
	}
	run(0, nil, "rotate")
	run(0, nil, "check")
	signs("s1")
	l.file(t, "broken", "")
	run(1, []string{"mx1", "no such helper", "hint: "}, "rotate")
	signs("s1")
	must(t, os.Remove(filepath.Join(l.Dir, "broken")))
	whole := l.read(t, "kumo/dkimbot.toml")
	l.file(t, "kumo/dkimbot.toml", whole+"\n[domain.\"example.test\"]\nselector = 'mine'\n")
	run(3, []string{"mx1", "kumo/dkimbot.toml", "hint: "}, "check")
	run(3, []string{"mx1", "kumo/dkimbot.toml", "hint: "}, "rotate")
	l.file(t, "kumo/dkimbot.toml", whole)
	run(0, nil, "rotate", "--wait")
	signs("s2")
	if st := l.status(t, "example.test"); st.Phase != "ready" || *st.Active != "s2" {
		t.Errorf("phase %s, active %s", st.Phase, *st.Active)
	}
}
