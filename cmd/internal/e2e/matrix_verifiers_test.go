package e2e

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	msgdkim "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// matrixVerifiers starts five verifiers of five origins, all of which look keys up at one name server.
func matrixVerifiers(t *testing.T, server string) []checker {
	const modules = "/usr/local/lib/dkimbot-tests"
	rspamd := signertest.NewRspamd(t)
	rspamd.Nameserver = server
	rspamd.Start(t, "")
	return []checker{
		startVerifier(t, "dkimpy", []string{"/usr/bin/python3", "testdata/verify.py"}, server),
		startVerifier(t, "Mail::DKIM", []string{"perl", "testdata/verify.pl"}, server),
		startVerifier(t, "mailauth", []string{modules + "/node_modules/.bin/node", "testdata/verify.mjs", modules}, server),
		byRspamd{t, rspamd},
		byMsgauth{server},
	}
}

// mayVerify reports whether a verifier knows the kind of keys of a policy: Mail::DKIM of Debian 12 knows no Ed25519
// (RFC 8463).
func mayVerify(v checker, policy string) bool { return policy != "ed25519" || v.Name() != "Mail::DKIM" }

// ofSeals has a verifier look at the ARC chain of messages.
type ofSeals struct{ *verifier }

func (v ofSeals) Name() string { return "ARC by " + v.name }

func (v ofSeals) verify(path string) verdict { return v.verifier.verify("arc:" + path) }

// byRspamd is rspamd's dkim module.
type byRspamd struct {
	t      testing.TB
	rspamd *signertest.Rspamd
}

func (byRspamd) Name() string { return "rspamd" }

func (v byRspamd) verify(path string) verdict {
	message, err := os.ReadFile(path)
	if err != nil {
		return verdict{Why: err.Error()}
	}
	domain, selector, why := v.rspamd.Verify(v.t, message)
	return verdict{Pass: why == "", Why: why, Domain: domain, Selector: selector}
}

// byMsgauth is the library go-msgauth.
type byMsgauth struct{ server string }

func (byMsgauth) Name() string { return "go-msgauth" }

func (v byMsgauth) verify(path string) verdict {
	f, err := os.Open(path)
	if err != nil {
		return verdict{Why: err.Error()}
	}
	defer f.Close()
	got := verdict{}
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, v.server)
	}}
	all, err := msgdkim.VerifyWithOptions(f, &msgdkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		got.Selector, _, _ = strings.Cut(name, "._domainkey.")
		return resolver.LookupTXT(ctx, name+".")
	}})
	switch {
	case err != nil:
		got.Why = err.Error()
	case len(all) == 0:
		got.Why = "there is no signature"
	default:
		got.Pass, got.Domain = all[0].Err == nil, all[0].Domain
		if all[0].Err != nil {
			got.Why = all[0].Err.Error()
		}
	}
	return got
}
