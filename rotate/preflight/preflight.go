// Package preflight asks beforehand for what a rotation needs, so that what would be refused later
// is reported before anything is changed. Each driver says what is to be asked of it (Checker), in one file
// of its own; Ask asks, many at once.
//
// It is a leaf: it imports rotate/codes, rotate/dkim and rotate/fault. Drivers, the engine and the
// command line's wiring import it.
package preflight

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Subject is a selector's name that keys and records are to be made for.
type Subject struct {
	dkim.Name
	Zone, Owner string // where its record stands in DNS; "" when that is not known
}

// Question is one thing that a rotation needs.
type Question struct {
	What    string   // names what is looked at: "key_dir /etc/dkimkeys"
	Domains []string // that need it; nil for all
	Needs   string   // What of a question of the same part that has to succeed before
	Rights  bool     // it is about what the running process may write; who only plans need not be able to
	Disk    bool     // of Rights: it finds also that a file system is full, which is so for everybody
	// Within is how long the answer may take where a setting of the driver's allows more than is usual.
	Within time.Duration
	// Ask returns nil when all is as a rotation needs it, else a fault. It changes nothing. Where it fails
	// for some of the domains only, the error is a Failed, or has its method.
	Ask func(context.Context) error
	// Found says, where Ask found nothing wrong, what it found, for people; nil when there is nothing to say.
	Found func() string
}

// Checker is implemented by providers, keystores and signers that can be asked beforehand.
type Checker interface {
	// Check returns what is to be asked so that the next rotation of the names finds what it
	// needs. It asks nothing yet.
	Check(of []Subject) []Question
}

// Of returns what a part wants to be asked, nothing when it can't be asked: so a part that stands around another
// passes the questions on.
func Of(part any, of []Subject) []Question {
	if c, ok := part.(Checker); ok {
		return c.Check(of)
	}
	return nil
}

// Rights returns the questions about the rights of the running process, or all but them.
func Rights(all []Question, rights bool) (out []Question) {
	for _, q := range all {
		if q.Rights == rights {
			out = append(out, q)
		}
	}
	return out
}

// Domains returns the domains of the names, each once, ordered.
func Domains(of []Subject) []string {
	seen := map[string]bool{}
	for _, s := range of {
		seen[s.Domain] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// Failed is the error of a question that failed for these domains only.
type Failed map[string]error

// FailedDomains returns the failures by domain.
func (f Failed) FailedDomains() map[string]error { return f }

// Error names the failures, in the order of their domains.
func (f Failed) Error() string {
	var all []string
	for _, err := range f.Unwrap() {
		all = append(all, err.Error())
	}
	return fmt.Sprintf("%d of the domains failed: %s", len(f), strings.Join(all, "; "))
}

// Unwrap returns the failures in the order of their domains.
func (f Failed) Unwrap() (all []error) {
	for _, domain := range slices.Sorted(maps.Keys(f)) {
		all = append(all, f[domain])
	}
	return all
}

// OrNil returns the failures as an error, nil for none.
func (f Failed) OrNil() error {
	if len(f) == 0 {
		return nil
	}
	return f
}
