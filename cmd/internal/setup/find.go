package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Signer is a program that signs mail on a host, as it is set up.
type Signer struct {
	Name    string // in the configuration that is made
	Program string // for people: "OpenDKIM"
	From    string // the file that it was found in
	Keys    []Pair // of its section in the configuration; empty when dkimbot can't drive it as it is
	Domains []Domain
	// Before is what has to be done before dkimbot can switch it: commands, and words as comments ("#").
	Before []string
	// Remarks are what could not be read or used.
	Remarks []string

	unit string // of systemd, that started it; "" when that is not known
}

// Pair is a key of the configuration and its value: a text, or the words of a command.
type Pair struct {
	Key   string
	Value any
}

// Domain is a domain whose mail is signed.
type Domain struct {
	Name     string
	Selector string
	Key      string   // where the private key is, for people
	Bits     int      // of an RSA key; 0 when it could not be read or is none
	Adopt    []string // the flags of 'dkimbot adopt' that take this key over
	Fixed    bool     // its selector stands in the signer's configuration, and in no map
}

// Find returns the signers of a host. What can't be read is said in their remarks.
func Find(ctx context.Context, h Host) (out []Signer) {
	for _, find := range []func(context.Context, Host) []Signer{findOpenDKIM, findDkimpy, findExim, findRspamd,
		findHaraka, findMaddy, findKumoMTA, findMailcow, findDockerMailserver} {
		out = append(out, find(ctx, h)...)
	}
	unlike(out)
	return out
}

// unlike gives each signer a name of its own: opendkim, opendkim2.
func unlike(all []Signer) {
	times := map[string]int{}
	for i := range all {
		s := &all[i]
		if times[s.Name]++; times[s.Name] > 1 {
			s.Name = fmt.Sprint(s.Name, times[s.Name])
		}
	}
}

// usable leaves out keys whose values the driver would refuse, and says so. Where the driver can't do without, there
// is no section.
func (s *Signer) usable(of settings.Settings, keys []Pair) (out []Pair) {
	fields := of.Fields()
	for _, p := range keys {
		at := slices.IndexFunc(fields, func(f settings.Field) bool { return f.Key == p.Key })
		text, isText := p.Value.(string)
		if !isText || at < 0 {
			out = append(out, p)
			continue
		}
		_, problem := fields[at].ParseText(text, settings.Place{})
		if strings.ContainsFunc(text, unicode.IsControl) {
			problem = settings.Wrong("holds a control character", "remove it there")
		}
		if problem == nil {
			out = append(out, p)
			continue
		}
		s.Remarks = append(s.Remarks, fmt.Sprintf("%s %q %s: %s.", p.Key, text, problem.Text, problem.Remedy))
		if fields[at].Need != "" {
			return nil
		}
	}
	return out
}
