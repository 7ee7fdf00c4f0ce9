package setup

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// Account is the DNS account of a first configuration. What is asked about it are the fields of its driver.
type Account struct {
	of   providers.Account
	Keys []found.Pair // of its section in the configuration
}

// Drivers returns the names of the DNS drivers and what each is for, in order.
func Drivers() (out [][2]string) {
	for _, a := range config.Builtin().DNS() {
		out = append(out, [2]string{a.Driver().Name, a.Driver().Meaning})
	}
	return out
}

// NewAccount begins an account of a driver with keys that were given as KEY=VALUE.
func NewAccount(driver string, given []string) (*Account, error) {
	all := config.Builtin().DNS()
	at := slices.IndexFunc(all, func(a providers.Account) bool { return a.Driver().Name == driver })
	if at < 0 {
		var names []string
		for _, d := range Drivers() {
			names = append(names, d[0])
		}
		problem, remedy := settings.Unknown("DNS driver", driver, names)
		return nil, errors.New(problem + ": " + remedy)
	}
	a := &Account{of: all[at], Keys: []found.Pair{{Key: "driver", Value: driver}}}
	for _, text := range given {
		key, value, two := strings.Cut(text, "=")
		if !two {
			return nil, fmt.Errorf("%q is not KEY=VALUE", text)
		}
		if err := a.Set(key, value); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// Set gives a key of the account its value. A secret itself is refused: the configuration names its file.
func (a *Account) Set(key, text string) error {
	unseen := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unseen) {
		return fmt.Errorf("%s: the value holds a character that can't be seen, such as that of an arrow key: "+
			"write it again", key)
	}
	var keys []string
	for _, f := range a.of.Fields() {
		_, secret := f.Into.(*settings.Secret)
		ways := f.Ways()
		if secret {
			ways = ways[:2]
		}
		keys = append(keys, ways...)
		switch {
		case secret && key == f.Key:
			return fmt.Errorf("%s would stand in the configuration for all to read: give %s_file or %s_env", key, key, key)
		case !slices.Contains(ways, key):
			continue
		}
		value, err := valueOf(f, key, text)
		if err != nil {
			return fmt.Errorf("%s %w", key, err)
		}
		a.Keys = slices.DeleteFunc(a.Keys, func(p found.Pair) bool { return p.Key == key })
		a.Keys = append(a.Keys, found.Pair{Key: key, Value: value})
		return nil
	}
	problem, remedy := settings.Unknown("key of this driver", key, keys)
	return errors.New(problem + ": " + remedy)
}

// bare is a value that stands in the configuration without quotes: a number, a duration, yes or no.
type bare string

// valueOf reads the value of a key as the command line has it, and says what is wrong with it.
func valueOf(f settings.Field, key, text string) (any, error) {
	_, secret := f.Into.(*settings.Secret)
	_, isText := f.Into.(*string)
	_, command := f.Into.(*[]string)
	switch {
	case secret && key != f.Key+"_file":
		return text, nil
	case secret || f.Form.Name == "path":
		return filepath.Abs(text)
	case command:
		return strings.Fields(text), nil
	case !isText && plainWord.MatchString(text):
		return bare(text), nil
	case !isText:
		return nil, fmt.Errorf("is %q: write a %s", text, f.Type())
	}
	if _, problem := f.ParseText(text, settings.Place{}); problem != nil {
		return nil, fmt.Errorf("%s: %s", problem.Text, problem.Remedy)
	}
	return text, nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9.]+$`)

// Question is something that has to be known about the account.
type Question struct {
	Key     string // that takes the answer
	Meaning string
	Need    string // what to write
}

// Missing returns the keys without which the driver can't work, and that are not given yet.
func (a *Account) Missing() (out []Question) {
	for _, f := range a.of.Fields() {
		ways := f.Ways()
		given := slices.ContainsFunc(a.Keys, func(p found.Pair) bool { return slices.Contains(ways, p.Key) })
		if f.Need == "" || given {
			continue
		}
		q := Question{Key: f.Key, Meaning: f.Meaning, Need: f.Need}
		if _, secret := f.Into.(*settings.Secret); secret {
			q.Key = ways[0]
			q.Meaning = "the path of a file, mode 0600, that holds " + f.Meaning
		}
		out = append(out, q)
	}
	return out
}
