package opendkim

import (
	"context"
	"maps"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Active returns what each of the domains is signed with. With a milter socket the daemon is
// asked with a probe message for each domain, and one that does not answer is an error.
// Without, the tables and key files are believed, foreign lines included, and tables that OpenDKIM can't load
// are an error, because it continues with those from before. For a domain whose last change is not
// confirmed it is what signed before that change, unless somebody took the domain out of the tables since or, with a
// milter socket, Lag has passed. A domain that is not signed for in its own name, that
// has no key, or whose mail the daemon turns away, is left out, as all are while it does not run and could not start,
// since a table is missing. A key
// file that can't be read fails its own domain only: the error is then a
// *signer.PartialError beside the answers for the others, or the fault itself
// when one domain was asked for. It writes nothing. Where it can't be said whom keys would have
// to be for, that is said here, before the first one is made.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	if err := s.knowsReader(); err != nil {
		return nil, err
	}
	if err := s.moved(); err != nil {
		return nil, err
	}
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
	if s.socket.None() {
		if view.bad != nil {
			return nil, view.bad.fault("find out what signer "+s.cfg.Name+" signs with", s.signTable)
		}
		active, failed := s.believe(ctx, domains, view, marker)
		return active, signer.Partial(failed, len(domains))
	}
	active, failed, down := s.ask(ctx, domains, s.keyring(view, marker))
	if down && s.goneTable() != "" {
		return active, nil // it could not start: nothing is signed
	}
	if s.mayBeOpen() {
		var open []string
		for domain := range marker {
			if is, asked := active[domain]; asked && s.leadsTo(ctx, view, is) {
				delete(active, domain)
				open = append(open, domain)
			}
		}
		before, doubts := s.believe(ctx, open, view, marker)
		maps.Copy(active, before)
		maps.Copy(failed, doubts)
	}
	return active, signer.Partial(failed, len(domains))
}

// mayBeOpen reports whether connections may still be open from before the last change that is not confirmed. When
// the key is not activated again, as of a domain that the signer was taken off, what the daemon says counts then.
func (s *Signer) mayBeOpen() bool {
	info, err := os.Stat(s.pendingPath())
	return err != nil || time.Since(info.ModTime()) < s.cfg.Lag
}

// leadsTo reports whether the tables name this key for its domain. Until Activate has confirmed a change of them,
// connections of mail servers that were open may still use the key from before it.
func (s *Signer) leadsTo(ctx context.Context, view tablesView, is dkim.Ref) bool {
	after, ok := view.Domain(is.Domain)
	if !ok || !strings.EqualFold(is.Selector, after.Selector) {
		return false
	}
	id, err := s.keyID(ctx, after.Path)
	return err == nil && id == is.KeyID
}

// believe takes what the files say for what the daemon does.
func (s *Signer) believe(ctx context.Context, domains []string, view tablesView,
	marker pending) (map[string]dkim.Ref, map[string]error) {
	var (
		mu sync.Mutex
		g  errgroup.Group
	)
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, domain := range domains {
		use, ok := view.Domain(domain)
		altered := ok && s.store.Altered(domain, use.Selector, use.Path) != ""    // mail may be signed with that by now
		if before, outstanding := marker[domain]; outstanding && ok && !altered { // else somebody took the domain out since
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
	return active, failed
}

// keyID reads the id of the key in a file, or in the table itself; "" means that
// OpenDKIM can't sign with it. With a key that is too weak for us it can.
func (s *Signer) keyID(ctx context.Context, location string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fault.Interrupted("read what signer "+s.cfg.Name+" signs with", context.Cause(ctx))
	}
	key, err := s.publicKey(location)
	return key.ID(), err
}

// publicKey reads the public half of the key in a file, or in the table itself; zero when there is none.
func (s *Signer) publicKey(location string) (dkim.PublicKey, error) {
	if !isPath(location) {
		return keyfiles.PublicIn([]byte(location)), nil
	}
	return s.store.PublicAt(location)
}

// readView reads both tables as OpenDKIM does, in its order: the SigningTable first.
func (s *Signer) readView() (tablesView, error) {
	sign, err := keyfiles.ReadTable(s.signTable)
	if err != nil {
		return tablesView{}, s.fileFault("read SigningTable "+s.signTable, err)
	}
	keys, err := keyfiles.ReadTable(s.keyTable)
	if err != nil {
		return tablesView{}, s.fileFault("read KeyTable "+s.keyTable, err)
	}
	names := flatfile.Entries(keys)
	return tablesView{flatfile.View{Entries: names, Signing: flatfile.ReadSigning(sign, s.refile)},
		checkLines(sign, s.refile, names)}, nil
}
