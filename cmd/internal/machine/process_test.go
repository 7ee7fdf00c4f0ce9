package machine

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// I8: a lease is taken over at once only from a process that surely runs no more.
func TestKnowsDead(t *testing.T) {
	self, err := This()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	other := self
	other.pid = child.Process.Pid
	if other.start, _, err = startOf(strconv.Itoa(other.pid)); err != nil {
		t.Fatal(err)
	}
	reused, rebooted, elsewhere, apart := self, other, other, other
	reused.start += "0"
	rebooted.boot = "00000000" // or another machine of the same name
	elsewhere.space = "4026531836.4026532999"
	apart.space = "-"
	check := func(owner string, want bool) {
		t.Helper()
		if got := self.KnowsDead(owner); got != want {
			t.Errorf("KnowsDead(%q) = %v, want %v", owner, got, want)
		}
	}
	check(self.String(), false)
	check(other.String(), false)
	check(reused.String(), true)
	check(rebooted.String(), false)
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	check(other.String(), true)
	check(rebooted.String(), false)
	check(elsewhere.String(), false)
	check(apart.String(), false)
	unknown := self
	if unknown.space = "-"; unknown.KnowsDead(apart.String()) {
		t.Error("in unknown namespaces a process is taken for dead")
	}
	other.host += "2" // who names the machine again changes nothing
	check(other.String(), true)
	check(strings.Replace(other.String(), " ns "+other.space, "", 1), false) // as older versions wrote it
	for _, garbage := range []string{"", "x", self.host, "root@" + self.host + " pid x",
		strings.Replace(self.String(), "pid", "PID", 1)} {
		check(garbage, false)
	}
}

// Who and where come first, for people; the rest tells processes apart.
func TestProcessString(t *testing.T) {
	self, err := This()
	if err != nil {
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	if who, _, ok := strings.Cut(self.String(), " pid "); !ok || who != self.user+"@"+host || self.user == "" {
		t.Errorf("got %q", self)
	}
}
