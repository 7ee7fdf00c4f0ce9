package cli_test

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
)

// Two processes begin at the same moment, each with a new domain, and CNAMEs lead a selector
// of both to one name: exactly one domain gets the name, the other is refused by name, and the
// record there stays as it was (I2, I3).
func TestTwoProcessesClaimOneName(t *testing.T) {
	t.Parallel()
	const pairs = 4
	sides := [2][]string{}
	for n := range pairs {
		for i, side := range []string{"a", "b"} {
			sides[i] = append(sides[i], fmt.Sprintf("%s%d.test", side, n))
		}
	}
	l := newLab(t, slices.Concat(sides[0], sides[1])...)
	l.zone(t, "shared.test", "")
	for n := range pairs {
		for i := range sides {
			l.zone(t, sides[i][n], fmt.Sprintf("s1._domainkey CNAME k%d.shared.test.\n", n))
		}
	}
	l.serve(t)
	var all sync.WaitGroup
	said := [2]string{}
	for i, side := range sides {
		args := []string{"rotate"}
		for _, d := range side {
			args = append(args, "--domain", d)
		}
		cmd := l.command(args...)
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			said[i] = string(out)
			if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := range pairs {
		a, b := sides[0][n], sides[1][n]
		winner, loser, told := a, b, said[1]
		if l.status(t, b).Phase == "ready" {
			winner, loser, told = b, a, said[0]
		}
		if got := l.status(t, winner).Phase; got != "ready" {
			t.Errorf("%s is %s", winner, got)
		}
		refusal := fmt.Sprintf("refused: s1._domainkey.%s and s1._domainkey.%s both lead to k%d.shared.test, "+
			"which can hold one key record only, that of %s", loser, winner, n, winner)
		if !strings.Contains(told, refusal) {
			t.Errorf("%s was not refused by name:\n%s", loser, told)
		}
		if got := ns.Query(t, l.DNS, fmt.Sprintf("k%d.shared.test", n), "TXT"); len(got) != 1 ||
			got[0] != l.status(t, winner).Selectors["s1"].Record {
			t.Errorf("I3: k%d.shared.test shows %q", n, got)
		}
	}
	if t.Failed() {
		t.Logf("the processes said:\n%s\n%s", said[0], said[1])
	}
}
