package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// diagnose fills in f for an error of a call to Vault: what the answer means, or
// why there was none.
func (s *Store) diagnose(f *fault.Error, err error) {
	var answered *api.ResponseError
	if errors.As(err, &answered) {
		f.Err = fmt.Errorf("answer %d from Vault%s", answered.StatusCode, s.words(answered))
		s.diagnoseAnswer(f, answered, err)
	} else {
		s.diagnoseConnection(f, err)
	}
	if login := (*loginError)(nil); errors.As(err, &login) {
		f.Err = fmt.Errorf("log in to Vault by %s: %w", s.cfg.Auth.method(), f.Err)
		if refusedLogin(err) {
			f.Code, f.Hint = codes.VaultLogin, s.cfg.Auth.hint()
		}
	}
}

func (s *Store) diagnoseAnswer(f *fault.Error, answered *api.ResponseError, err error) {
	is := func(text string) bool { return said(answered, text) }
	switch code := answered.StatusCode; {
	case code == http.StatusServiceUnavailable && is("sealed"):
		f.Kind, f.Code = fault.Transient, codes.VaultSealed
		f.Hint = "unseal it: vault operator unseal; dkimbot then continues by itself"
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusPreconditionFailed,
		is("Upgrading from non-versioned"):
		f.Kind = fault.Transient
		f.Hint = "dkimbot tries again by itself; if it lasts, look at Vault's log, and at what stands between"
	case is("HTTP request to an HTTPS server"):
		f.Hint = "write https:// in keystore.address"
	case code == http.StatusForbidden:
		f.Code = codes.VaultForbidden
		f.Hint = fmt.Sprintf("compare keystore.mount (%s), prefix (%s) and namespace with the policy of dkimbot's token; "+
			"examples/vault/rotator.hcl allows all that it needs, and examples/agent/agent.hcl what an agent needs", s.cfg.Mount, s.cfg.Prefix)
		if s.place.Setting != "" {
			f.Hint = fmt.Sprintf("compare %s and keystore.namespace with the policy of dkimbot's token", s.place.Setting)
		}
		if right := (*rightError)(nil); errors.As(err, &right) {
			f.Hint = fmt.Sprintf("the policy of dkimbot's token must allow %q on %s; ", right.capability, right.path) + f.Hint
		}
	case is("no handler for route"):
		f.Code = codes.VaultMount
		f.Hint = s.mountHint()
	default:
		f.Hint = "check that keystore.address leads to Vault; if it does, look at Vault's log"
	}
}

func (s *Store) diagnoseConnection(f *fault.Error, err error) {
	var failed *url.Error
	var untrusted *tls.CertificateVerificationError
	var redirect *redirectError
	switch {
	case errors.As(err, &redirect):
		f.Err = fmt.Errorf("no answer from Vault at %s: %w", s.cfg.Address, redirect)
		f.Hint = "if that is your Vault, write its address in keystore.address; " +
			"if it is another server of the same cluster, have the one at keystore.address forward requests, " +
			"or name the cluster's own address"
	case errors.As(err, &untrusted):
		f.Err = fmt.Errorf("the certificate of Vault at %s is not trusted: %w", s.cfg.Address, untrusted.Err)
		f.Hint = "set keystore.ca_file to the certificate of the authority that signed Vault's, " +
			"and write the name in keystore.address that the certificate holds"
	case errors.Is(err, http.ErrSchemeMismatch):
		f.Err = fmt.Errorf("no TLS from Vault at %s", s.cfg.Address)
		f.Hint = "write http:// in keystore.address if that is meant, or find out what answers there"
	case errors.Is(err, errLarge):
		f.Kind = fault.Transient
		f.Err = fmt.Errorf("can't use what Vault at %s sends: %w", s.cfg.Address, errLarge)
		f.Hint = "check that keystore.address leads to Vault, and see what stands between; dkimbot tries again by itself"
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.Code = fault.Transient, codes.Unreachable
		f.Err = fmt.Errorf("no answer from Vault at %s within %s", s.cfg.Address, s.cfg.Timeout)
		f.Hint = "see whether Vault and the way to it are overloaded; dkimbot tries again by itself"
	case errors.As(err, &failed):
		f.Kind, f.Code = fault.Transient, codes.Unreachable
		f.Err = fmt.Errorf("can't reach Vault at %s: %w", s.cfg.Address, failed.Err)
		f.Hint = "check that Vault runs, that keystore.address is right, and that no firewall is in between; " +
			"dkimbot tries again by itself"
	default:
		f.Kind = fault.Transient
		f.Hint = "check that keystore.address leads to Vault; dkimbot tries again by itself"
	}
}

// secretLike matches what may be a token, a key or a part of one.
var secretLike = regexp.MustCompile(`[A-Za-z0-9+/=_.-]{20,}`)

// words returns Vault's own messages on one line, after a colon. The secrets that it was shown are
// left out whatever they look like. Long words are left out
// unless they are a path in our mount: Vault or a proxy could repeat what it was sent (I9).
// What is not in Vault's form, such as a proxy's error page, is left out wholly.
func (s *Store) words(answered *api.ResponseError) string {
	if answered.RawError || len(answered.Errors) == 0 {
		return ", without a message"
	}
	line := strings.Join(strings.Fields(strings.Join(answered.Errors, ", ")), " ")
	line = s.session.shown.hide(line, 1)
	line = secretLike.ReplaceAllStringFunc(line, func(word string) string {
		if strings.HasPrefix(word, s.cfg.Mount+"/") {
			return word
		}
		return "..."
	})
	if len(line) > 300 {
		line = line[:300] + "..."
	}
	return ": " + line
}
