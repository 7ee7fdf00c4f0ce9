package vault

import (
	"errors"
	"regexp"
	"slices"
	"sync"
)

// shown remembers the secrets that were shown to Vault or came from it last, so that none of them
// is repeated to people when Vault, or what stands before it, repeats it (I9). It is safe for concurrent use.
type shown struct {
	mu      sync.Mutex
	secrets []string
}

// maxShown is how many are remembered: those of a few logins, for several calls may be under way.
const maxShown = 16

func (s *shown) add(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if secret == "" || slices.Contains(s.secrets, secret) {
		return
	}
	s.secrets = append(s.secrets, secret)
	if over := len(s.secrets) - maxShown; over > 0 {
		s.secrets = s.secrets[over:]
	}
}

// hide takes the secrets of at least so many octets out of a text, in whatever case.
func (s *shown) hide(text string, least int) string {
	s.mu.Lock()
	secrets := slices.Clone(s.secrets)
	s.mu.Unlock()
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // one may be a part of another
	for _, secret := range secrets {
		if len(secret) >= least {
			text = regexp.MustCompile("(?i)"+regexp.QuoteMeta(secret)).ReplaceAllLiteralString(text, "...")
		}
	}
	return text
}

// leastOwn is the length of a secret that is looked for in our own words too: a shorter one, such as the
// token "root" of a trial, is a part of ordinary words.
const leastOwn = 8

// hideIn returns err, or if its text holds a secret, the rest of its text as an error of its own.
func (s *shown) hideIn(err error) error {
	if clean := s.hide(err.Error(), leastOwn); clean != err.Error() {
		return errors.New(clean)
	}
	return err
}
