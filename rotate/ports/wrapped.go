package ports

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Wrapped is a signer inside another one, with all its abilities. Code that wraps a signer, for example to
// count its calls, embeds it: a lost ability would change what is planned. It is as safe for concurrent use
// as the signer.
type Wrapped struct{ Signer }

// Forget implements Forgetter; a signer that holds no copies has nothing to forget.
func (w Wrapped) Forget(ctx context.Context, keys []dkim.Ref) error {
	if f, ok := w.Signer.(Forgetter); ok {
		return f.Forget(ctx, keys)
	}
	return nil
}

// Forgets reports whether the signer holds copies of private keys.
func (w Wrapped) Forgets() bool {
	_, ok := w.Signer.(Forgetter)
	return ok
}

// Hasten implements Hastener; a signer that knows no later switch has nothing to hasten.
func (w Wrapped) Hasten(ctx context.Context, keys []dkim.Ref) error {
	if h, ok := w.Signer.(Hastener); ok {
		return h.Hasten(ctx, keys)
	}
	return nil
}

// HurriedLag implements Hastener.
func (w Wrapped) HurriedLag() time.Duration {
	if h, ok := w.Signer.(Hastener); ok {
		return h.HurriedLag()
	}
	return w.Lag()
}

// Withdraw implements Withdrawer.
func (w Wrapped) Withdraw(ctx context.Context, keys []dkim.Ref) error {
	if s, ok := w.Signer.(Withdrawer); ok {
		return s.Withdraw(ctx, keys)
	}
	return nil
}

// Overruled implements Sharer.
func (w Wrapped) Overruled(ctx context.Context, domains []string) map[string]string {
	if s, ok := w.Signer.(Sharer); ok {
		return s.Overruled(ctx, domains)
	}
	return nil
}

// Unkept implements Keeper.
func (w Wrapped) Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string {
	if s, ok := w.Signer.(Keeper); ok {
		return s.Unkept(ctx, signs)
	}
	return nil
}

// Fetches implements Fetcher.
func (w Wrapped) Fetches() bool {
	f, ok := w.Signer.(Fetcher)
	return ok && f.Fetches()
}

// Lingers implements Lingerer.
func (w Wrapped) Lingers() bool {
	l, ok := w.Signer.(Lingerer)
	return ok && l.Lingers()
}

// Unmixed implements Unmixed.
func (w Wrapped) Unmixed() bool {
	u, ok := w.Signer.(Unmixed)
	return ok && u.Unmixed()
}

// RSAOnly implements RSAOnly; a signer that can't say takes all kinds of keys.
func (w Wrapped) RSAOnly() (why, remedy string) {
	if r, ok := w.Signer.(RSAOnly); ok {
		return r.RSAOnly()
	}
	return "", ""
}

// Tables implements Tabled; a signer without files has none.
func (w Wrapped) Tables() []string {
	if t, ok := w.Signer.(Tabled); ok {
		return t.Tables()
	}
	return nil
}

// SignedBy implements Tabled.
func (w Wrapped) SignedBy(tables []string) {
	if t, ok := w.Signer.(Tabled); ok {
		t.SignedBy(tables)
	}
}

// KnownAs implements Renamer; a signer that leaves no name anywhere needs none.
func (w Wrapped) KnownAs(was string) {
	if r, ok := w.Signer.(Renamer); ok {
		r.KnownAs(was)
	}
}

// Screen implements Screener; a signer that can't say refuses nothing.
func (w Wrapped) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if s, ok := w.Signer.(Screener); ok {
		return s.Screen(ctx, next)
	}
	return nil, nil
}

// Hosts implements Several; a signer that can't say is one host.
func (w Wrapped) Hosts(ctx context.Context, domains []string) (here map[string]dkim.Ref, unheard error) {
	if s, ok := w.Signer.(Several); ok {
		return s.Hosts(ctx, domains)
	}
	return nil, nil
}

// Probes implements Prober.
func (w Wrapped) Probes() bool {
	p, ok := w.Signer.(Prober)
	return ok && p.Probes()
}

// Prove implements Prober; of a signer whose mail is not looked at, it proves nothing and disproves nothing.
func (w Wrapped) Prove(ctx context.Context, keys []dkim.SigningKey) error {
	if p, ok := w.Signer.(Prober); ok {
		return p.Prove(ctx, keys)
	}
	return nil
}

// Signed implements Prober.
func (w Wrapped) Signed(ctx context.Context, domains []string) (map[string][]dkim.Ref, error) {
	if p, ok := w.Signer.(Prober); ok {
		return p.Signed(ctx, domains)
	}
	return nil, nil
}
