package engine

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// What other people put at a selector's name, and what a wildcard shows there, may be gone at the next look, and
// receivers remember it all the same (I2). So it is written as soon as it is seen. What could not be written is kept
// in the engine's memory until the domain's next run, also beyond a reload of the configuration.

// passing is a run that notes what may be gone at the next look.
type passing struct{ *run }

// glimpse is one look that showed something of other people's.
type glimpse struct {
	selector string
	keyID    string // of the key that was wanted there; "": none yet
	seen     rotate.SelectorSeen
	at       time.Time
}

// disturbed notes what a look shows of other people's, and writes it if that is new. It reports whether it is.
func (r passing) disturbed(ctx context.Context, selector string, seen rotate.SelectorSeen) (bool, error) {
	if !r.glimpsed(selector, seen) {
		return false, nil
	}
	return true, r.save(ctx)
}

// glimpsed notes what a look shows of other people's, and reports whether it is new.
func (r passing) glimpsed(selector string, seen rotate.SelectorSeen) bool {
	g := glimpse{selector, wantedAt(r.st, selector), seen, r.engine.Clock.Now()}
	if !r.st.Disturbed(selector, seen, g.at) {
		return false
	}
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	r.engine.unwritten[r.want.Name] = append(r.engine.unwritten[r.want.Name], g)
	return true
}

// recall notes again what an earlier run has seen and could not write, unless another key is wanted there by now.
func (r passing) recall() {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	for _, g := range r.engine.unwritten[r.want.Name] {
		if wantedAt(r.st, g.selector) == g.keyID {
			r.st.Disturbed(g.selector, g.seen, g.at)
		}
	}
}

// wrote forgets what is in the state by now.
func (r passing) wrote() {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	delete(r.engine.unwritten, r.want.Name)
}

// Inherit takes over what an engine that has ended saw and could not write.
func (e *Engine) Inherit(from *Engine) { e.unwritten = from.unwritten }

func wantedAt(st rotate.State, selector string) string {
	if key := st.Selector(selector).Wanted(); key != nil {
		return key.ID
	}
	return ""
}
