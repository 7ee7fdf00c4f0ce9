package maddy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// numbers says which key files there are, by what stands before the number in their names. That is not parted into
// domain and selector, since both may hold an underscore, too; keys with the same name are known by their ids.
type numbers map[string][]int

// of returns the numbers of a selector's files.
func (all numbers) of(n dkim.Name) []int { return all[n.Domain+"_"+n.Selector] }

// numbers looks into the key directory; one that is not there holds nothing.
func (s *Signer) numbers() (numbers, error) {
	files, err := os.ReadDir(s.cfg.KeyDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, s.store.Fault("read key_dir "+s.cfg.KeyDir, err)
	}
	out := numbers{}
	for _, f := range files {
		rest, ok := strings.CutSuffix(f.Name(), ".key")
		at := strings.LastIndex(rest, ".")
		if !ok || at < 0 {
			continue
		}
		if n, err := strconv.Atoi(rest[at+1:]); err == nil && n > 0 {
			out[rest[:at]] = append(out[rest[:at]], n)
		}
	}
	return out, nil
}

// at returns the entry of a key with that number.
func (s *Signer) at(n dkim.Name, number int) entry {
	return entry{n.Selector, s.cfg.KeyDir + names + "." + strconv.Itoa(number) + ".key"}
}

// kept returns the files that stand in the key directory for a selector.
func (s *Signer) kept(of numbers, n dkim.Name) (files []string) {
	for _, number := range of.of(n) {
		files = append(files, s.at(n, number).file(n.Domain))
	}
	return files
}

// place returns where a key's file is, or will be: that which holds it, or else the first number that is free.
func (s *Signer) place(dir *keyfiles.Dir, of numbers, n dkim.Name, keyID string) (entry, error) {
	taken := map[int]bool{}
	for _, number := range of.of(n) {
		e := s.at(n, number)
		held, there, err := dir.Holds(filepath.Base(e.file(n.Domain)))
		if safefile.IsRefused(err) { // no file, so not ours: it keeps the key from no other number
			taken[number] = true
			continue
		}
		if err != nil || there && held.KeyID == keyID && held.Fits {
			return e, err
		}
		taken[number] = there
	}
	free := 1
	for taken[free] {
		free++
	}
	return s.at(n, free), nil
}

// writeKeys makes sure that the key files are there, several at a time because each waits for the disk, and returns
// what each domain is to be signed with. Nobody else writes here: the imported file is locked.
func (s *Signer) writeKeys(b *signer.Batch) (map[string]entry, error) {
	if len(b.Keys) == 0 {
		return nil, nil
	}
	dir, err := s.store.Open()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if err := dir.Tidy(".key"); err != nil {
		return nil, err
	}
	of, err := s.numbers()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	out := map[string]entry{}
	var g errgroup.Group
	g.SetLimit(8)
	for _, k := range b.Keys {
		g.Go(func() error {
			e, err := s.place(dir, of, k.Name, k.Key.ID())
			if err == nil {
				err = dir.PutNamed(filepath.Base(e.file(k.Domain)), k, k.Key.PEM(), noTime, func(string) bool { return false })
			}
			mu.Lock()
			defer mu.Unlock()
			if out[k.Domain] = e; err != nil {
				b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
			}
			return nil
		})
	}
	g.Wait()
	b.Drop()
	return out, nil
}

// forgetFile removes the file that holds a key.
func (s *Signer) forgetFile(dir *keyfiles.Dir, of numbers, ref dkim.Ref) error {
	for _, file := range s.kept(of, ref.Name) {
		if err := s.store.Step("remove " + filepath.Base(file)); err != nil {
			return err
		}
		if err := dir.RemoveNamed(filepath.Base(file), ref.KeyID); err != nil {
			return err
		}
	}
	return nil
}
