package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/vault/api"
)

// session is a login that is kept alive. It is safe for concurrent use.
type session struct {
	cfg    Config
	bare   *api.Client // without a token
	life   context.Context
	cancel context.CancelFunc

	turn    chan struct{} // held while reading or changing what is below
	client  *api.Client   // with the token; nil before the first login
	grant   grant
	expires time.Time // zero: never
	renewAt time.Time
	timer   *time.Timer
	closed  bool

	failure  error // of the last login that failed,
	failedAt time.Time

	refused refusals // of the credentials that were shown last
	shown   shown
}

// minWait keeps a token that is nearly dead from being renewed without pause.
const minWait = time.Second

var errClosed = errors.New("the keystore is closed")

func newSession(ctx context.Context, bare *api.Client, cfg Config) *session {
	s := &session{cfg: cfg, bare: bare, turn: make(chan struct{}, 1)}
	s.life, s.cancel = context.WithCancel(ctx)
	return s
}

// lock waits for the turn.
func (s *session) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.closed {
		s.unlock()
		return errClosed
	}
	return nil
}

func (s *session) unlock() { <-s.turn }

// get returns a client with a living token. It logs in when there is none, and renews
// the token when half of its life is over.
func (s *session) get(ctx context.Context) (*api.Client, error) {
	asked := time.Now()
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	now := time.Now()
	if s.client == nil || !s.expires.IsZero() && !now.Before(s.expires) {
		if err := s.loginOnce(ctx, asked); err != nil {
			return nil, err
		}
	} else if !s.expires.IsZero() && !now.Before(s.renewAt) && !s.renew(ctx) {
		// Near the end of the maximum lifetime, or revoked. When logging in fails too,
		// the old token may still do until it expires.
		if err := s.login(ctx); err != nil {
			s.schedule(time.Until(s.expires))
		}
	}
	return s.client, nil
}

// replace returns a client with another token when the one of failed is dead, and nil
// when it lives, so that Vault's refusal was meant, or there is no other.
func (s *session) replace(ctx context.Context, failed *api.Client) (*api.Client, error) {
	asked := time.Now()
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.unlock()
	if s.client != failed {
		return s.client, nil // another caller has been here
	}
	if s.failedAt.After(asked) {
		return nil, s.failure
	}
	if _, err := limited(ctx, s.cfg.Timeout, failed.Auth().Token().LookupSelfWithContext); err == nil {
		return nil, nil
	}
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	if s.client.Token() == failed.Token() {
		return nil, nil
	}
	return s.client, nil
}

// loginOnce logs in. Those who waited for the turn since asked while another failed to log in
// share its failure: one after the other, each with a time limit of its own, would take too long.
func (s *session) loginOnce(ctx context.Context, asked time.Time) error {
	if s.failedAt.After(asked) {
		return s.failure
	}
	return s.login(ctx)
}

func (s *session) login(ctx context.Context) error {
	c, err := s.bare.CloneWithHeaders() // for the namespace; the connections are shared
	if err != nil {
		return err
	}
	withoutEnvironment(c)
	g, err := s.ask(ctx, c)
	if err != nil {
		err = &loginError{err}
		if ctx.Err() == nil { // else it is this caller's alone
			s.failure, s.failedAt = err, time.Now()
		}
		return err
	}
	s.shown.add(g.token)
	c.SetToken(g.token)
	s.client, s.grant = c, g
	s.live(g.ttl)
	return nil
}

// ask shows the credentials to Vault, unless it refused these very ones a moment ago.
func (s *session) ask(ctx context.Context, c *api.Client) (grant, error) {
	with, err := s.cfg.Auth.credentials()
	if err != nil {
		return grant{}, err
	}
	s.shown.add(with.secret)
	if err := s.refused.before(with, time.Now()); err != nil {
		return grant{}, err
	}
	g, err := limited(ctx, s.cfg.Timeout,
		func(ctx context.Context) (grant, error) { return s.cfg.Auth.login(ctx, c, with) })
	s.refused.note(with, err, time.Now())
	return g, err
}

// renew reports whether the token got a life that is worth having: at the end of the
// maximum lifetime Vault grants less and less.
func (s *session) renew(ctx context.Context) bool {
	if !s.grant.renewable {
		return false
	}
	secret, err := limited(ctx, s.cfg.Timeout, func(ctx context.Context) (*api.Secret, error) {
		return s.client.Auth().Token().RenewSelfWithContext(ctx, int(s.grant.ttl/time.Second))
	})
	if err != nil || secret == nil || secret.Auth == nil {
		return false
	}
	ttl := time.Duration(secret.Auth.LeaseDuration) * time.Second
	s.live(ttl)
	return ttl > s.grant.ttl/2
}

// live notes that the token has ttl to live from now on.
func (s *session) live(ttl time.Duration) {
	s.expires = time.Time{}
	if ttl > 0 {
		s.expires = time.Now().Add(ttl)
	}
	s.schedule(ttl)
}

// schedule has the token renewed in the background at half of what is left.
func (s *session) schedule(left time.Duration) {
	if s.timer != nil {
		s.timer.Stop()
	}
	if left <= 0 {
		return
	}
	wait := max(left/2, minWait)
	s.renewAt = time.Now().Add(wait)
	s.timer = time.AfterFunc(wait, func() {
		if s.life.Err() == nil {
			s.get(s.life) // what fails here fails again, with a report, for whoever needs the token
		}
	})
}

// close ends the background work and revokes a token that a login of ours made.
func (s *session) close() {
	s.cancel()
	s.turn <- struct{}{} // wait for what is under way
	defer s.unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.client != nil && s.grant.own {
		limited(context.Background(), min(s.cfg.Timeout, 5*time.Second), func(ctx context.Context) (any, error) {
			return nil, s.client.Auth().Token().RevokeSelfWithContext(ctx, "")
		})
	}
	s.client = nil
}

// loginError marks an error of logging in.
type loginError struct{ err error }

func (e *loginError) Error() string { return fmt.Sprintf("log in to Vault: %v", e.err) }
func (e *loginError) Unwrap() error { return e.err }

// limited runs a call with a time limit of its own.
func limited[T any](ctx context.Context, d time.Duration, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return call(ctx)
}
