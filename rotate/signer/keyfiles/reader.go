package keyfiles

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Key files get the owner of the key directory where nothing names another. Where that is root, or the
// directory is yet to be made, a daemon with a user of its own could read none of them, and nothing shows that before
// mail goes unsigned (I1).

// unread says why nothing says who has to read the key files, "" when something does. missing
// reports that the key directory is not there, which may be so because this is another machine.
func (s *Store) unread() (problem string, missing bool) {
	if s.Owner != "" || s.Path == "" {
		return "", false
	}
	info, err := os.Stat(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there yet, and nothing says which user " + s.Program +
			" runs as, who has to read the key files in it", true
	case err == nil && OwnerOf(info).UID == 0:
		return "belongs to root, so that key files in it would be for root alone: " +
			s.Program + ", if it runs as a user of its own, could read none of them, and mail would go unsigned", false
	}
	return "", false
}

// ReaderRule is the rule of a configuration that is read: something says who has to read the key files. hint says
// how to name that user.
func (s *Store) ReaderRule(hint string) []*settings.Problem {
	problem, missing := s.unread()
	if problem == "" {
		return nil
	}
	return []*settings.Problem{{Keys: []string{"key_dir"}, Warning: missing, Text: problem, Remedy: hint}}
}

// KnowsReader refuses the first key where ReaderRule has a word.
func (s *Store) KnowsReader(hint string) error {
	problem, missing := s.unread()
	if problem == "" || missing && os.Geteuid() != 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.KeyOwner, What: "use key_dir of signer " + s.Signer,
		Err: errors.New(s.Path + " " + problem), Hint: hint}
}

var ownerForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)

// OwnerForm is the form of the user, or user:group, that a program runs as. The group goes into group; hint says what
// to write.
func OwnerForm(hint string, group *string) settings.Form {
	return settings.Form{Name: "user or user:group",
		Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
			if !ownerForm.MatchString(text) {
				return "", settings.Wrong("is not user or user:group", hint)
			}
			user, of, _ := strings.Cut(text, ":")
			*group = cmp.Or(of, *group)
			return user, nil
		}}
}

// PathForm is the form of a path that a program's table can hold: bad are the letters that it would read differently,
// and named says which those are.
func PathForm(program, bad, named string) settings.Form {
	return settings.Form{Name: "path", Parse: func(text string, at settings.Place) (string, *settings.Problem) {
		p, problem := at.Absolute(text)
		if problem == nil && strings.ContainsAny(p, " \t\r\n\v\f\x00"+bad) {
			return "", settings.Wrong(
				fmt.Sprintf("is %s; %s can't use a path with white space%s", p, program, named), "choose a path without them")
		}
		return p, problem
	}}
}
