package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// writing are the options of a handle that writes. It never makes the file.
const writing = "mode=rw&_synchronous=FULL&_txlock=immediate"

// writer carries out changes one after the other on one connection. Changes that
// wait for it at the same time share one transaction, and so one wait for the
// disk; each is undone alone if it fails.
type writer struct {
	path   string
	db     *sql.DB
	turn   chan struct{} // holds one token: the right to commit
	stands func() error  // says why the file at path is not the one that is open

	mu    sync.Mutex
	queue []*change
}

// change is one caller's writes, all or nothing.
type change struct {
	do   func(context.Context, *sql.Tx) error
	err  error         // set before done is closed
	done chan struct{} // closed when the outcome is durable
}

// maxBatch bounds a transaction, so that other processes get their turn too.
const maxBatch = 128

func openWriter(path string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(path, writing))
	if err != nil {
		return nil, broken(path, "open", err)
	}
	db.SetMaxOpenConns(1)
	w := &writer{path: path, db: db, turn: make(chan struct{}, 1)}
	w.turn <- struct{}{}
	return w, nil
}

func (w *writer) close() error { return w.db.Close() }

// write carries out do and returns when it is durable, or was not done. ctx counts
// until the change is begun: after that its outcome is waited for, so that
// an error always means that nothing was written.
func (w *writer) write(ctx context.Context, do func(context.Context, *sql.Tx) error) error {
	c := &change{do: do, done: make(chan struct{})}
	if ctx.Err() != nil {
		return fault.Interrupted("write to the state database "+w.path, ctx.Err())
	}
	if err := w.stands(); err != nil {
		return err
	}
	w.mu.Lock()
	w.queue = append(w.queue, c)
	w.mu.Unlock()
	for {
		select {
		case <-c.done:
			return c.err
		case <-w.turn:
			w.commit(w.take())
			w.turn <- struct{}{}
		case <-ctx.Done():
			if w.withdraw(c) {
				return fault.Interrupted("write to the state database "+w.path, ctx.Err())
			}
			<-c.done
			return c.err
		}
	}
}

// take returns the changes that go into the next transaction.
func (w *writer) take() []*change {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.queue), maxBatch)
	batch := w.queue[:n:n]
	w.queue = w.queue[n:]
	return batch
}

// withdraw takes a change back that was not begun.
func (w *writer) withdraw(c *change) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, q := range w.queue {
		if q == c {
			w.queue = append(w.queue[:i:i], w.queue[i+1:]...)
			return true
		}
	}
	return false
}

// commit carries out the batch in one transaction and informs each caller.
func (w *writer) commit(batch []*change) {
	if len(batch) == 0 {
		return
	}
	if err := w.transact(context.Background(), batch); err != nil {
		for _, c := range batch {
			c.err = err
		}
	}
	for _, c := range batch {
		close(c.done)
	}
}

// transact returns an error if nothing of the batch was written. After that the
// connection is given up, because SQLite may have left it read-only or half-way.
func (w *writer) transact(ctx context.Context, batch []*change) (err error) {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			conn.Raw(func(any) error { return driver.ErrBadConn })
		}
		conn.Close()
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, c := range batch {
		if err := attempt(ctx, tx, c); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// attempt carries out one change; its own failure is kept in c. The error
// returned means that the whole transaction is lost.
func attempt(ctx context.Context, tx *sql.Tx, c *change) error {
	if _, err := tx.ExecContext(ctx, "SAVEPOINT change"); err != nil {
		return err
	}
	if c.err = c.do(ctx, tx); c.err != nil {
		if _, err := tx.ExecContext(ctx, "ROLLBACK TO change"); err != nil {
			return c.err
		}
	}
	_, err := tx.ExecContext(ctx, "RELEASE change")
	return err
}
