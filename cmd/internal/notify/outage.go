package notify

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// outages makes one notice of what fails for many domains for one cause: a provider, a keystore or a
// signer that does not answer. The first domain is reported at once, the others together. What else is
// refused stands for itself, since a person has to look at each domain. It is safe for
// concurrent use.
type outages struct {
	put func(Document) // delivers

	mu     sync.Mutex
	open   map[string]*outage // by cause
	closed bool
}

// outage is a cause that was reported, and the domains that came since.
type outage struct {
	last  Document
	names []string // the first of them
	count int
	timer *time.Timer
}

// How long domains are gathered that fail for a cause that was reported: at first, and then.
const (
	firstGather = 2 * time.Minute
	nextGather  = time.Hour
	namesShown  = 100
)

func newOutages(put func(Document)) *outages { return &outages{put: put, open: map[string]*outage{}} }

// report delivers a failure, now or together with others.
func (o *outages) report(d Document, cause string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.open[cause]
	switch {
	case o.closed || cause == "":
	case known == nil:
		known = &outage{}
		known.timer = time.AfterFunc(firstGather, func() { o.flush(cause) })
		o.open[cause] = known
	case d.Domain != "":
		if known.last, known.count = d, known.count+1; len(known.names) < namesShown {
			known.names = append(known.names, d.Domain)
		}
		return
	}
	o.put(d)
}

// flush reports the domains that came since; without any, the outage is over.
func (o *outages) flush(cause string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.open[cause]
	switch {
	case known == nil:
	case known.count == 0:
		delete(o.open, cause)
	default:
		o.put(known.joint())
		known.names, known.count = nil, 0
		known.timer.Reset(nextGather)
	}
}

// close says what is gathered, and gathers nothing more.
func (o *outages) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, known := range o.open {
		known.timer.Stop()
		if known.count > 0 {
			o.put(known.joint())
		}
	}
	o.open = nil
}

// joint is the notice of the domains that were gathered; of a single one, its own.
func (k *outage) joint() Document {
	d := k.last
	if k.count == 1 {
		return d
	}
	slices.Sort(k.names)
	d.Domains, d.Count, d.Domain, d.Phase, d.Selector, d.Previous, d.KeyID = k.names, k.count, "", "", "", "", ""
	more := ""
	if rest := k.count - len(k.names); rest > 0 {
		more = fmt.Sprintf(" and %d more", rest)
	}
	d.Message = fmt.Sprintf("%s; the same fails for %d domains: %s%s", d.Message, k.count,
		strings.Join(k.names, ", "), more)
	return d
}

// refusedTogether are the refusals that concern all domains when they concern one: a state or keystore that is lost or
// old, an audit log that can't be written, and another process, such as a person's command, that works through them.
var refusedTogether = []codes.Code{codes.LostState, codes.StaleState, codes.OldKeystore, codes.KeystoreMissing,
	codes.AuditUnwritten, codes.LeaseHeld}

// cause names what fails for many domains at once: the step, the code, and the provider or signer that
// it was about. It is "" for what is each domain's own.
func (n *Notifier) cause(d Document) string {
	shared := d.Event == Failed || d.Event == Refused && slices.Contains(refusedTogether, d.failed.Code)
	if !shared || d.Domain == "" {
		return ""
	}
	provider := ""
	if n.cfg.Provider != nil {
		provider = n.cfg.Provider(d.Domain)
	}
	f := d.failed
	return strings.Join([]string{d.Command, string(f.Kind), string(f.Code), string(f.About.Kind), f.Signer, f.About.Signer,
		provider}, "\x00")
}
