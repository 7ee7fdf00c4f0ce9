package endpointtest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Subject is a service with one domain, a.example, and the adapter that asks it.
type Subject struct {
	*Between
	// Open returns the adapter as in a new process; it waits for so long until the service does what it is asked for.
	Open func(patience time.Duration) signertest.Signer
	// Signs returns what mail of the domain is signed with now.
	Signs func() []dkim.Ref
	// Nameless is of a signer that does not say the key, only its selector.
	Nameless bool
	// Secrets must not stand in an error.
	Secrets []string
}

const (
	domain = "a.example"
	long   = time.Minute // is never reached
	short  = 20 * time.Millisecond
)

// Run does each fault to each request of a switch, of the question what signs, and of forgetting a key: once, and for
// good. It guards I1, I9 and I10: mail stays signed with the key before or the next one, nothing is confirmed that is
// not so, a fault's end leads to the same end, and no error holds a secret.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	k := signertest.Keys(t, 2)
	old, next := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
	for _, f := range Faults() {
		for what, last := range map[string]int{"once": 1, "for good": 1 << 30} {
			t.Run(f.Name+"/"+what, func(t *testing.T) {
				t.Parallel()
				for n, more := 1, true; more; n++ {
					s := &scene{T: t, Subject: fresh(t), old: old, next: next, when: fmt.Sprintf("at request %d", n)}
					more = s.play(f, n, n+last) || more && n < 3
					if n > 60 {
						t.Fatal("it never ends")
					}
					if t.Failed() {
						return
					}
				}
			})
		}
	}
}

type scene struct {
	*testing.T
	Subject
	old, next dkim.SigningKey
	when      string
}

// play switches while requests from n to until come to a fault, and reports whether one did.
func (s *scene) play(f Fault, n, until int) (hit bool) {
	if err := s.Open(long).Activate(s.Context(), []dkim.SigningKey{s.old}); err != nil {
		s.Fatal(err)
	}
	s.asks(f, n, until)

	s.Set(f, n, until)
	err := s.Open(short).Activate(s.Context(), []dkim.SigningKey{s.next})
	hit = s.Set(Fault{}, 0, 0) >= n
	s.hidden(err, s.next)
	got := s.Signs()
	odd := func(r dkim.Ref) bool { return r != s.old.Ref() && r != s.next.Ref() }
	if len(got) == 0 || slices.ContainsFunc(got, odd) || err == nil && !slices.Equal(got, []dkim.Ref{s.next.Ref()}) {
		s.Errorf("%s: %v, and it is signed with %v", s.when, err, got)
	}
	if err := s.Open(long).Activate(s.Context(), []dkim.SigningKey{s.next}); err != nil {
		s.Errorf("%s: it does not end: %v", s.when, err)
	}
	if got := s.Signs(); !slices.Equal(got, []dkim.Ref{s.next.Ref()}) {
		s.Errorf("%s: in the end it is signed with %v", s.when, got)
	}
	s.forgets(f, n, until)
	return hit
}

// asks wants that nothing untrue is said of what signs.
func (s *scene) asks(f Fault, n, until int) {
	s.Set(f, n, until)
	got, err := s.Open(short).Active(s.Context(), []string{domain})
	s.Set(Fault{}, 0, 0)
	s.hidden(err, s.old)
	want := s.old.Ref()
	if s.Nameless {
		want.KeyID = ""
	}
	absent := f.Name == "gone" && len(got) == 0 // the service says that it does not have the domain
	if err == nil && got[domain] != want && !absent {
		s.Errorf("%s: it says that %v signs", s.when, got)
	}
	if err != nil && len(got) > 0 {
		s.Errorf("%s: %v, %v", s.when, got, err)
	}
}

// forgets wants that the key in use stays, and the other one goes in the end.
func (s *scene) forgets(f Fault, n, until int) {
	forget := func(k dkim.SigningKey) error {
		if a, can := s.Open(short).(signertest.Forgetter); can {
			return a.Forget(s.Context(), []dkim.Ref{k.Ref()})
		}
		return nil
	}
	s.Set(f, n, until)
	s.hidden(forget(s.old), s.old)
	s.Set(f, n, until)
	forget(s.next)
	s.Set(Fault{}, 0, 0)
	if got := s.Signs(); !slices.Equal(got, []dkim.Ref{s.next.Ref()}) {
		s.Errorf("%s: after forgetting it is signed with %v", s.when, got)
	}
	if err := forget(s.old); err != nil {
		s.Errorf("%s: it is not forgotten: %v", s.when, err)
	}
}

// hidden guards I9.
func (s *scene) hidden(err error, k dkim.SigningKey) {
	if err == nil {
		return
	}
	text := readable(err.Error())
	secrets := slices.Clone(s.Secrets)
	for line := range strings.Lines(string(k.Key.PEM())) {
		if line = strings.TrimSpace(line); len(line) > 20 && !strings.HasPrefix(line, "-") {
			secrets = append(secrets, line)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.Errorf("%s: a secret is in the error: %v", s.when, err)
		}
	}
}
