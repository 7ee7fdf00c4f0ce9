package vault

import (
	"errors"
	"net/http"
	"time"

	"github.com/hashicorp/vault/api"
)

// refusals remembers credentials that Vault refused. Each further try with a wrong secret
// id counts for Vault, and after five of them it refuses every login of that role, with the
// right one too, until none was tried for a quarter of an hour (user lockout). So the same
// credentials are shown again only after a pause; new ones are shown at once.
// It is not safe for concurrent use.
type refusals struct {
	of    credentials
	err   error
	count int
	until time.Time
}

const (
	quickTries  = 3                // that many refusals are followed by a short pause each,
	shortPause  = time.Minute      // for a cure at Vault's side is seen soon;
	lockoutOver = 16 * time.Minute // then by one that lets Vault forget the wrong ones
)

// refusedLogin reports whether Vault itself, not a proxy, refused what a login showed. A way to
// log in that is not enabled is refused like a wrong secret: 403.
func refusedLogin(err error) bool {
	var answered *api.ResponseError
	if !errors.As(err, &answered) || answered.RawError {
		return false
	}
	switch answered.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return false
}

// before returns the refusal of these credentials when it is too early to show them again.
func (r *refusals) before(with credentials, now time.Time) error {
	if r.err == nil || r.of != with || !now.Before(r.until) {
		return nil
	}
	return r.err
}

// note keeps what Vault said to the credentials.
func (r *refusals) note(with credentials, err error, now time.Time) {
	switch {
	case err == nil:
		*r = refusals{}
	case refusedLogin(err):
		if r.of != with {
			*r = refusals{of: with}
		}
		r.err, r.count = err, r.count+1
		pause := shortPause
		if r.count >= quickTries {
			pause = lockoutOver
		}
		r.until = now.Add(pause)
	}
}
