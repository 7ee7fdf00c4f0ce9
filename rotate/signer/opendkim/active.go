package opendkim

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Active returns what each of the domains is signed with, as the tables and key
// files say, foreign lines included. For a domain whose last change is not
// confirmed it is what signed before that change. A domain that the tables don't
// sign for in its own name, or whose key file holds no key, is left out. A key
// file that can't be read fails its own domain only: the error is then a
// *signer.PartialError beside the answers for the others, or the fault itself
// when one domain was asked for. It writes nothing and does not ask the daemon.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	// The tables first, the marker last: a change that begins in between is
	// then seen by its marker.
	view, err := s.readView()
	if err != nil {
		return nil, err
	}
	marker, err := s.readPending()
	if err != nil {
		return nil, s.fileFault("read what signer "+s.cfg.Name+" signs with", err)
	}
	var (
		mu sync.Mutex
		g  errgroup.Group
	)
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, domain := range domains {
		use, ok := view.domain(domain)
		if before, outstanding := marker[domain]; outstanding {
			if ok = before != nil; ok {
				use = *before
			}
		}
		if !ok {
			continue
		}
		g.Go(func() error {
			id, err := s.keyID(ctx, use.Path)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed[domain] = err
			case id != "":
				active[domain] = dkim.Ref{Name: dkim.Name{Domain: domain, Selector: use.Selector}, KeyID: id}
			}
			return nil
		})
	}
	g.Wait()
	return active, signer.Partial(failed, len(domains))
}

// keyID reads the id of the key in a file, or in the table itself; "" means that
// OpenDKIM can't sign with it. With a key that is too weak for us it can.
func (s *Signer) keyID(ctx context.Context, path string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fault.Temporary("read what signer "+s.cfg.Name+" signs with", context.Cause(ctx), "run it again; it was interrupted, or its time ran out")
	}
	data := []byte(path)
	if isPath(path) {
		var err error
		switch data, err = os.ReadFile(path); {
		case errors.Is(err, fs.ErrNotExist):
			return "", nil
		case err != nil:
			return "", s.fileFault("read key file "+path, err)
		}
	}
	key, err := dkim.ParseForeignKey(data)
	var weak *dkim.WeakKeyError
	if errors.As(err, &weak) {
		return weak.KeyID, nil
	}
	return key.ID(), nil
}

// readView reads both tables as OpenDKIM does, in its order: the SigningTable first.
func (s *Signer) readView() (tablesView, error) {
	sign, err := readTable(s.signTable)
	if err != nil {
		return tablesView{}, s.fileFault("read SigningTable "+s.signTable, err)
	}
	keys, err := readTable(s.keyTable)
	if err != nil {
		return tablesView{}, s.fileFault("read KeyTable "+s.keyTable, err)
	}
	return tablesView{names: keyNames(keys), signing: readSigning(sign, s.refile)}, nil
}
