package simulate

import (
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

var (
	tallied   = flag.Uint64("tally", 0, "how many seeds TestTally plays")
	tallyFrom = flag.Uint64("from", 1, "the first of them")
)

// TestEveryClass plays worlds with all classes of faults and all oracles: no invariant is
// violated, nothing that could be done is left, and nothing is said that is not so. The worlds
// are few, since each costs more than one of the great sweep; TestTally plays others.
func TestEveryClass(t *testing.T) {
	const worlds = 60
	var (
		next atomic.Uint64
		wg   sync.WaitGroup
	)
	for range 2 {
		wg.Go(func() {
			for seed := next.Add(1); seed <= worlds && !(raceEnabled && seed > worlds/30); seed = next.Add(1) {
				sc := scenario(seed, All)
				sc.classes = everyClass
				sc.Replay += " -classes all"
				if v := Run(sc).Violation; v != nil {
					t.Error(v)
				}
			}
		})
	}
	wg.Wait()
}

// TestStopped: a process that is stopped beyond its lease, in the middle of its work, has no more than the one
// effect at hand when it wakes, and says so (I8). At seed 43 it had every signer forget a key.
func TestStopped(t *testing.T) {
	late := 0
	for seed := uint64(40); seed <= 49; seed++ {
		if raceEnabled && seed != 43 {
			continue
		}
		sc := scenario(seed, All)
		sc.classes = stops
		sc.Replay += " -classes stops"
		r := Run(sc)
		if late += r.Outlived; r.Violation != nil {
			t.Error(r.Violation)
		}
	}
	if late == 0 {
		t.Error("no effect came after another process had taken the lease over")
	}
}

// TestPanels: records that a DNS panel gave other tags are dkimbot's as before: mail verifies by them, what can be done at
// once is done, and nobody is told that somebody else's record stands there.
func TestPanels(t *testing.T) {
	for _, seed := range []uint64{1, 5} {
		if raceEnabled && seed > 1 {
			break
		}
		sc := scenario(seed, All)
		sc.classes = panels | bounds | truths
		sc.Replay += " -classes panels,bounds,truths"
		if v := Run(sc).Violation; v != nil {
			t.Error(v)
		}
	}
}

// TestDetours: no signer comes to a name that is led elsewhere, and the record to which it leads stays as it is.
func TestDetours(t *testing.T) {
	for seed := uint64(1); seed <= 8 && !(raceEnabled && seed > 1); seed++ {
		sc := scenario(seed, All)
		sc.classes = detours
		sc.Replay += " -classes detours"
		if v := Run(sc).Violation; v != nil {
			t.Error(v)
		}
	}
}

// TestOnceRed plays worlds in which an invariant was violated once.
func TestOnceRed(t *testing.T) {
	for _, c := range []struct {
		classes string
		seeds   []uint64
	}{
		{"all", []uint64{
			6219,  // a signer that signed with a former selector was hurried to a key that a wildcard had shadowed
			6257,  // a signer strayed while the standby, which a wildcard had shadowed, was repaired
			6264,  // a name that was shared became free
			6163,  // a server that was silent when a flight's key was seen answered with something else
			6037,  // the only signer came back to a compromised key while a server was silent
			6092,  // a signer came back to one in a switch that waited for its target to settle
			6136,  // a receiver kept the revoked record that stood beside a key
			8440,  // other people's change came to a server that lags after the last look
			8160,  // a wildcard showed only while a run waited for its new record
			8279,  // and the state could not be written then
			8266,  // a server was out of order while a change came to it
			20035, // a signer that had no key yet was tried before a compromised key was revoked
			20136, // a signer came back to a selector of before, whose record was gone, while a server was silent
			20144, // a fresh key was reported on its way there, a server was silent, and no other key could be stored
			24075, // the record that signers were sent back to was gone where dkimbot writes, and one server still showed it
		}},
		{"", []uint64{
			1778, // a key was revoked once more over the fresh one
			250,  // a fresh key that took the place of a revoked one was used before resolvers had forgotten that
		}},
		{"all,changes", []uint64{
			8868,  // a record that was removed after a move came back in the next one
			9670,  // a clock that ran ahead kept the key of a selector that was left for years
			9606,  // the key beside an adopted one was of another kind than a signer with one algorithm takes
			9868,  // a rollback gave up the move from before a domain was purged and taken back
			10684, // a signer was found to have left a compromised key after its revocation had come too early
			12018, // a signer with one algorithm came back from a backup to a key of before a purge
			12054, // a record that a person had removed was published again by a state from a backup
			12112, // a signer that had been taken out came back from a backup and was not cleansed
			12229, // the key at a former selector was given up in a keystore that was an older copy
			12399, // a process was killed before it could write that a wildcard had shown something
		}},
		{"all,changes,agents", []uint64{
			8013, // a record that signers had left was published again while they did not answer
			8190, // so it was while they went back
			9927, // a host came back to a record that a person had removed
		}},
		{"changes,bounds,truths", []uint64{267}}, // both keys were revoked after the kind was changed
	} {
		with, err := parseClasses(c.classes)
		if err != nil {
			t.Fatal(err)
		}
		if raceEnabled { // TestEveryClass plays the other classes with the race detector
			if c.classes != "" {
				continue
			}
			c.seeds = c.seeds[:1]
		}
		for _, seed := range c.seeds {
			t.Run(fmt.Sprintf("%s/%d", c.classes, seed), func(t *testing.T) {
				t.Parallel()
				sc := scenario(seed, All)
				sc.classes = with
				sc.Replay += " -classes " + c.classes
				if v := Run(sc).Violation; v != nil {
					t.Error(v)
				}
			})
		}
	}
}

// TestTally plays many seeds with classes of faults and says how often each sort of violation
// comes first, with one seed that shows it: -classes strangers,bounds -from 1 -tally 200.
func TestTally(t *testing.T) {
	var (
		mu    sync.Mutex
		next  atomic.Uint64
		wg    sync.WaitGroup
		seeds = map[string][]uint64{}
		years float64
		names = regexp.MustCompile(`\bK\d+|[a-z0-9]+\.example|\bs[12]\b|\bmx\d|twin|scheduler \d|an operator|\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ?|\d+[hms][\dhms]*|version \d+|[0-9a-f]{12}`)
	)
	for range 2 {
		wg.Go(func() {
			for n := next.Add(1); n <= *tallied; n = next.Add(1) {
				seed := *tallyFrom + n - 1
				r := Run(scenario(seed, All))
				mu.Lock()
				years += r.Years
				mu.Unlock()
				v := r.Violation
				if v == nil {
					continue
				}
				sort := v.Invariant + " " + names.ReplaceAllString(v.What, "_")
				mu.Lock()
				if seeds[sort] = append(seeds[sort], seed); len(seeds[sort]) == 1 {
					fmt.Printf("seed %d: %s\n", seed, v.What) // at once: the run may be ended
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	fmt.Printf("%d worlds from seed %d, %.0f domain-years\n", *tallied, *tallyFrom, years)
	sorts := slices.SortedFunc(maps.Keys(seeds), func(a, b string) int { return len(seeds[b]) - len(seeds[a]) })
	for _, s := range sorts {
		fmt.Printf("%4d  %s  (seeds %v)\n", len(seeds[s]), s, seeds[s][:min(4, len(seeds[s]))])
	}
}

// TestUnreadKeyExcuses: the engine plans by what it observed. A key that the keystore did not
// tell then excuses the run until the next observation, also when a step reads it well (I7).
func TestUnreadKeyExcuses(t *testing.T) {
	name, turn := nameOf("d1.example", "s1"), &turn{unread: map[dkim.Name]bool{}}
	for i, step := range []struct {
		again  bool
		newest bool
		err    error
		want   bool
	}{{true, true, errKilled, true}, {false, false, nil, true}, {false, true, nil, true}, {true, true, nil, false},
		{false, false, errKilled, true}} {
		if step.again {
			turn.begins()
		}
		if turn.read(name, step.newest, step.err); turn.unread[name] != step.want {
			t.Errorf("after read %d the run is excused: %t, want %t", i+1, turn.unread[name], step.want)
		}
	}
}

// everyClass is all of them but those that are played by themselves: changes, agents, panels, leavers,
// movers and detours.
const everyClass = truths<<1 - 1

var classNames = []string{"strangers", "keystores", "clocks", "daemons", "twins", "aliases", "silent",
	"wildcards", "stops", "hard-days", "bounds", "truths", "changes", "agents", "panels", "leavers", "movers", "detours"}

// parseClasses reads names with commas between them; "all" is every class.
func parseClasses(s string) (c classes, err error) {
	for _, name := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) {
		i := slices.Index(classNames, name)
		switch {
		case name == "all":
			c = everyClass
		case i < 0:
			return 0, fmt.Errorf("class %q is unknown: use all, or some of %s", name, strings.Join(classNames, ", "))
		default:
			c |= 1 << i
		}
	}
	return c, nil
}
