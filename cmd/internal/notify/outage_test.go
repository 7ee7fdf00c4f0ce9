package notify

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestOutageIsOneNotice: a provider that is away for a day is reported a few times, and not once for each
// of a thousand domains; every domain is counted, the first is reported at once, another provider's
// outage is reported by itself. Refusals stand each for themselves, but for those that concern all domains at once.
func TestOutageIsOneNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []Document
		n := &Notifier{cfg: Config{Provider: func(domain string) string {
			name, _, _ := strings.Cut(domain, "-")
			return name
		}}}
		o := newOutages(func(d Document) { reported = append(reported, d) })
		fail := func(domain string, err error) {
			d := ofEvent(rotate.Event{Domain: domain, At: time.Now(), Kind: rotate.Publish, Outcome: codes.OutcomeFailed,
				Message: "no answer"}, err)
			if fault.KindOf(err) == fault.Refused {
				d.Event = Refused
			}
			o.report(d, n.cause(d))
		}
		away := fault.Temporary("publish", errors.New("no answer"), "wait")
		for i := range 1000 {
			fail(fmt.Sprintf("office-%d.test", i), away)
			synctest.Wait()
			if i == 0 && (len(reported) != 1 || reported[0].Domain != "office-0.test") {
				t.Fatalf("the first was not reported at once: %+v", reported)
			}
			time.Sleep(10 * time.Second)
		}
		fail("other-1.test", away)
		for i := range 5 {
			fail(fmt.Sprintf("office-%d.test", i), fault.Refuse(codes.ForeignRecord, "not ours", "look"))
		}
		for i := range 100 {
			fail(fmt.Sprintf("office-%d.test", i), fault.Refuse(codes.LeaseHeld, fmt.Sprintf("office-%d.test is in use", i), "wait"))
			fail(fmt.Sprintf("office-%d.test", i), fault.Refuse(codes.StaleState, "old", "restore"))
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		o.close()
		all, singles, refusals := 0, 0, 0
		for _, d := range reported {
			switch {
			case d.Event == Refused:
				if refusals++; d.Count > 0 && d.Count != 99 {
					t.Errorf("a joint refusal of %d domains", d.Count)
				}
			case d.Count > 0:
				if all += d.Count; len(d.Domains) > namesShown || d.Domain != "" ||
					!strings.Contains(d.Message, "the same fails for ") {
					t.Errorf("a joint notice: %+v", d)
				}
			default:
				all, singles = all+1, singles+1
			}
		}
		if all != 1001 || refusals != 9 || singles != 2 || len(reported) > 16 {
			t.Errorf("%d domains in %d notices, %d of one domain, %d refusals", all, len(reported), singles, refusals)
		}
	})
}

// TestOutageEnds: after an hour without a failure the next one is reported at once again; what is
// gathered when the program ends is reported, and one domain alone is reported as itself.
func TestOutageEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reported []Document
		o := newOutages(func(d Document) { reported = append(reported, d) })
		o.report(noticeOf("", "", "a.test"), "cause")
		time.Sleep(firstGather + time.Second)
		synctest.Wait()
		o.report(noticeOf("", "", "b.test"), "cause")
		o.report(noticeOf("", "", "c.test"), "cause")
		if len(reported) != 2 || reported[1].Domain != "b.test" {
			t.Fatalf("reported %+v", reported)
		}
		o.close()
		o.report(noticeOf("", "", "d.test"), "cause")
		if len(reported) != 4 || reported[2].Domain != "c.test" || reported[2].Count != 0 || reported[3].Domain != "d.test" {
			t.Errorf("at the end: %+v", reported)
		}
	})
}
