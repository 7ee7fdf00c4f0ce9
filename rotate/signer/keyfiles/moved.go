package keyfiles

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
)

// Where the path of a table is changed in dkimbot's configuration only, or mistyped, the program signs on by the table
// from before: dkimbot would take it for a host that was built again, and in the end remove the key file that the old
// table names. So a note in the key directory says which tables name its files. A program that is asked what it signs
// with needs none: it says so itself.

// noteName is the note's. No domain has a directory of that name.
const noteName = ".dkimbot-tables"

// maxNote bounds what is read of it.
const maxNote = 1 << 14

type note struct {
	FormatVersion int      `json:"format_version"`
	Signer        string   `json:"signer"`
	Program       string   `json:"program"`
	Tables        []string `json:"tables"`
}

// Remember notes that these tables, and no others, name the key files: each activation ends with it. A note that can't
// be written must not keep a signer on its old key: the tables are in force by then.
func (s *Store) Remember(tables ...string) {
	if s.Path == "" { // no key files
		return
	}
	dir, err := safefile.OpenDir(s.Path)
	if err != nil {
		return
	}
	defer dir.Close()
	n := note{1, s.Signer, s.Program, tables}
	if had := noted(dir); had.Signer == n.Signer && had.Program == n.Program && slices.Equal(had.Tables, n.Tables) {
		return
	}
	if data, err := json.Marshal(n); err == nil {
		_ = dir.Write(noteName, append(data, '\n'), safefile.Ours(0o600))
	}
}

// noted reads the note; it is empty where there is none. One that others than root and dkimbot's user could have
// written does not count: the program's user could keep a signer on a compromised key by it.
func noted(dir *safefile.Dir) (n note) {
	f, err := dir.Open(noteName, maxNote)
	if err != nil {
		return note{}
	}
	defer f.Close()
	data, err := safefile.ReadAll(f, maxNote)
	if err != nil || dir.CheckFile(f) != nil || json.Unmarshal(data, &n) != nil {
		return note{}
	}
	return n
}

// Former are the tables by which a program signed before, as dkimbot's state remembers: also where the key directory
// was changed with them, and no note is there. They are safe for concurrent use.
type Former struct {
	mu     sync.Mutex
	tables []string
}

// Add says that these tables named key files before.
func (f *Former) Add(tables []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, table := range tables {
		if !slices.Contains(f.tables, table) {
			f.tables = append(f.tables, table)
		}
	}
}

// owner returns the signer that wrote what a table names; "" for none, and where that is nothing. Another driver may
// have written it under the same name.
func owner(s *Store, data []byte) string {
	if s.Owns != nil && s.Owns(data) != "" {
		return s.Owns(data)
	}
	if block.Filled(data) {
		return block.Owner(data)
	}
	return ""
}

// inUse returns which tables may be in use: as the note says, and as the state does.
func inUse(s *Store) note {
	var n note
	if dir, err := safefile.OpenDir(s.Path); err == nil { // else there is none, or Open says it
		n = noted(dir)
		dir.Close()
	}
	s.Former.mu.Lock()
	defer s.Former.mu.Unlock()
	if n.Signer == "" {
		n.Signer, n.Program = s.Signer, "the program that signs"
	}
	if n.Signer == s.Signer {
		for _, table := range s.Former.tables {
			if !slices.Contains(n.Tables, table) {
				n.Tables = append(n.Tables, table)
			}
		}
	}
	return n
}

// Moved refuses these tables while others that dkimbot wrote before for the same key directory stand with its block:
// the program may read those.
func (s *Store) Moved(tables ...string) error {
	if s.Path == "" { // no key files
		return nil
	}
	n := inUse(s)
	var old []string
	for _, table := range n.Tables {
		data, err := ReadTable(table)
		if err == nil && n.Signer == owner(s, data) && !oneOf(table, tables) {
			old = append(old, table)
		}
	}
	if len(old) == 0 {
		return nil
	}
	has, them, reads := "has", "it", strings.Join(old, " and ")
	if len(old) > 1 {
		has, them = "have", "them"
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.MovedTable, What: "use the tables of signer " + s.Signer,
		Err: fmt.Errorf("%s may still read %s, which %s dkimbot's block; dkimbot's configuration names %s now",
			n.Program, reads, has, strings.Join(tables, " and ")),
		Hint: fmt.Sprintf("put the path back in dkimbot's configuration; only where %s does not read %s any more, "+
			"remove dkimbot's block from %s, and the next try writes the new path", n.Program, reads, them)}
}

// oneOf reports whether a path leads to the same file as one of others.
func oneOf(path string, others []string) bool {
	info, err := os.Stat(path)
	return err == nil && slices.ContainsFunc(others, func(other string) bool {
		is, err := os.Stat(other)
		return err == nil && os.SameFile(info, is)
	})
}
