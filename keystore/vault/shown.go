package vault

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
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
			text = without(text, secret)
		}
	}
	return text
}

// without takes a secret out of a text, in whatever case, and also broken by line ends or invisible
// characters, or with the escapes of a URL.
func without(text, secret string) string {
	wanted, _ := letters(secret)
	if wanted == "" {
		return strings.ReplaceAll(text, secret, "...")
	}
	said, at := letters(text)
	var b strings.Builder
	done := 0 // octets of text
	for from := 0; ; {
		i := strings.Index(said[from:], wanted)
		if i < 0 {
			return b.String() + text[done:]
		}
		first, last := at[from+i], at[from+i+len(wanted)-1]
		b.WriteString(text[done:first.begin] + "...")
		done, from = last.end, from+i+len(wanted)
	}
}

// place is where in a text a letter stands.
type place struct{ begin, end int }

// letters returns the letters and digits of a text in lower case, and the place of each of their octets.
func letters(text string) (said string, at []place) {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == '%' && i+3 <= len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 7); err == nil {
				r, size = rune(n), 3
			}
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			n, _ := b.WriteRune(unicode.ToLower(r))
			for range n {
				at = append(at, place{i, i + size})
			}
		}
		i += size
	}
	return b.String(), at
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
