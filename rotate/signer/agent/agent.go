package agent

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Signer is one agent as the coordinator sees it. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	board Board
	clock Clock
	mu    sync.Mutex   // held while a wish is changed
	lag   atomic.Int64 // as the agent reported it last
}

// Clock is the time that a switch waits by.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// machine is the machine's clock.
type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	return &Signer{cfg: cfg, board: nowhere{}, clock: machine{}}, nil
}

// Through gives the signer the board that it shares with its agent.
func (s *Signer) Through(b Board) { s.board = b }

// By makes a switch wait by another clock.
func (s *Signer) By(c Clock) { s.clock = c }

// Lag is how long after the agent's report the change is surely in effect: what the configuration says, or the lag of
// the signer on the agent's host, whichever is longer.
func (s *Signer) Lag() time.Duration { return max(s.cfg.Lag, time.Duration(s.lag.Load())) }

// nowhere is the board of a signer that was given none.
type nowhere struct{}

var errNoBoard = errors.New("the keystore is not open")

func (nowhere) Read(context.Context, string) (Page, error) {
	return Page{}, fault.Temporary("read what the agent reports", errNoBoard,
		"see what is said of the keystore; keystore.driver must be vault")
}

func (nowhere) Write(context.Context, string, []byte, int) (int, error) {
	return 0, fault.Temporary("write what is wanted of the agent", errNoBoard,
		"see what is said of the keystore; keystore.driver must be vault")
}

// view is what the documents of an agent say.
type view struct {
	cfg      Config
	wish     Wish
	wishAt   int   // the version of the page
	garbled  error // why what stands there is no wish: the next one takes its place, as where it was deleted
	report   Report
	reported Page
}

// look reads both documents: the wish first, so that a report that belongs to a newer one is seen as such.
func (s *Signer) look(ctx context.Context) (*view, error) {
	v := &view{cfg: s.cfg}
	page, err := s.board.Read(ctx, WishAt(s.cfg.Agent))
	if err != nil {
		return nil, err
	}
	v.wish, err = ReadWish(s.cfg.Agent, page)
	if errors.Is(err, errGarbled) {
		v.garbled, page.Text = err, nil
		v.wish, err = ReadWish(s.cfg.Agent, page)
	}
	if err != nil {
		return nil, s.unreadable("wish", err)
	}
	v.wishAt = page.Version
	return v, s.hear(ctx, v)
}

// hear reads the report again.
func (s *Signer) hear(ctx context.Context, v *view) (err error) {
	if v.reported, err = s.board.Read(ctx, ReportAt(s.cfg.Agent)); err != nil {
		return err
	}
	if v.report, err = ReadReport(s.cfg.Agent, v.reported); err != nil {
		return s.unreadable("report", err)
	}
	s.lag.Store(int64(min(max(v.report.Lag, 0), longestLag)))
	return nil
}

// longestLag bounds what an agent can say.
const longestLag = 24 * time.Hour

func (s *Signer) unreadable(document string, err error) error {
	hint := "see who wrote it (vault kv metadata get); only dkimbot and its agents may write there"
	switch {
	case document == "wish" && !errors.Is(err, errOldProgram):
		hint += "; where it is of no use there, delete it (vault kv delete), and dkimbot writes its own again"
	case errors.Is(err, errOldProgram):
		hint = "install the same version of dkimbot on the coordinator and on the agent's host"
	}
	return &fault.Error{Kind: fault.Permanent, Code: codes.AgentDocument, Err: err, Hint: hint,
		What: "read the " + document + " of agent " + s.cfg.Agent}
}
