// Package agenttest has a board in memory, for tests of both sides of an agent. It is for tests only, and imports
// package agent.
package agenttest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// Board is a board in memory. It is safe for concurrent use.
type Board struct {
	Now func() time.Time // its clock; the machine's when nil

	mu     sync.Mutex
	pages  map[string]agent.Page
	down   error
	writes int
}

// Read implements agent.Board.
func (b *Board) Read(ctx context.Context, path string) (agent.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.broken(ctx); err != nil {
		return agent.Page{}, err
	}
	p := b.pages[path]
	p.Text, p.Now = bytes.Clone(p.Text), b.now()
	return p, nil
}

// Write implements agent.Board.
func (b *Board) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.broken(ctx); err != nil {
		return 0, err
	}
	if b.pages[path].Version != after {
		return 0, &fault.Error{Kind: fault.Transient, Code: codes.VersionConflict, What: "write " + path, Hint: "read it again"}
	}
	b.writes++
	b.set(path, agent.Page{Text: bytes.Clone(text), Version: after + 1, Written: b.now()})
	return after + 1, nil
}

// Put places a page as it is, as when somebody restores the board.
func (b *Board) Put(path string, p agent.Page) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.set(path, p)
}

// Writes returns how many documents were written.
func (b *Board) Writes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writes
}

// Down lets the board answer nothing but why; nil lets it work again.
func (b *Board) Down(why error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = why
}

func (b *Board) set(path string, p agent.Page) {
	if b.pages == nil {
		b.pages = map[string]agent.Page{}
	}
	b.pages[path] = p
}

func (b *Board) broken(ctx context.Context) error { return errors.Join(ctx.Err(), b.down) }

func (b *Board) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}
