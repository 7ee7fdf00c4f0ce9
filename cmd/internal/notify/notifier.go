package notify

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Config says who is notified, and who is asked. What is nil or empty is not wanted.
type Config struct {
	BeforeSwitch []Hook
	After        []Hook
	OnFailure    []Hook
	Webhook      *Webhook
	Mail         *Mail
	Heartbeat    *Heartbeat
	Audit        string // path of the audit log
	// Provider returns the provider of a domain, to know what fails for one cause; it may be nil.
	Provider func(domain string) string
	Memory   string // path of the file that remembers what was reported; "": it is forgotten with the process
	By       string // who acts, for people: "root@mail1"
	Log      *slog.Logger
}

// Limits.
const (
	atOnce    = 16               // hooks that are asked for consent at the same time
	hooksRun  = 4                // hooks that are run at the same time
	room      = 4096             // notices that wait for one receiver
	hookRoom  = 1 << 14          // the same for hooks, which are quick
	patience  = 24 * time.Hour   // how long a notice is tried to be delivered
	endTime   = 10 * time.Second // for what waits when a Notifier is closed
	gather    = 30 * time.Second // what comes in that time goes into one mail
	saveEvery = 10 * time.Second // how often the memory is written
)

// Notifier reports and asks. Its methods are safe for concurrent use, until Close.
type Notifier struct {
	cfg     Config
	asking  chan struct{}
	audit   *audit
	memory  *memory
	after   *outbox
	failure *outbox
	webhook *outbox
	mail    *outbox
	heart   *outbox
	client  *http.Client
	posts   *outages // failures on their way to the webhook
	letters *outages // and into mails
	stop    chan struct{}
	saver   sync.WaitGroup
}

// New returns a Notifier for the configuration. It has reported nothing yet.
func New(cfg Config) *Notifier {
	n := &Notifier{cfg: cfg, asking: make(chan struct{}, atOnce), client: newClient(), stop: make(chan struct{})}
	n.memory = newMemory(cfg.Memory, cfg.Log)
	if cfg.Audit != "" {
		n.audit = openAudit(cfg.Audit, cfg.Log, n.auditFailed)
	}
	n.after, n.failure = n.hooks("after hooks", cfg.After), n.hooks("on_failure hooks", cfg.OnFailure)
	if w := cfg.Webhook; w != nil {
		post := request{n.client, http.MethodPost, w.URL}
		n.webhook = n.outbox("webhook", &outbox{timeout: w.Timeout, most: 1, patient: patience, begin: post.each}, room)
	}
	if m := cfg.Mail; m != nil {
		n.mail = n.outbox("mail", &outbox{timeout: m.Timeout, gather: gather, most: room, patient: patience,
			begin: n.post}, room)
	}
	if h := cfg.Heartbeat; h != nil {
		beat := request{n.client, h.Method, h.URL}
		n.heart = n.outbox("heartbeat", &outbox{timeout: h.Timeout, most: 1, patient: h.Every, begin: beat.each}, 1)
	}
	n.posts, n.letters = newOutages(n.webhook.put), newOutages(n.mail.put)
	if cfg.Memory != "" {
		n.saver.Go(n.remember)
	}
	return n
}

// Waiting returns how many notices are yet to be delivered.
func (n *Notifier) Waiting() (waiting int) {
	for _, o := range []*outbox{n.after, n.failure, n.webhook, n.mail} {
		waiting += o.waits()
	}
	return waiting
}

func (n *Notifier) outbox(name string, o *outbox, room int) *outbox {
	o.name, o.log = name, n.cfg.Log
	o.lost = func(d Document) { n.memory.forget(name, d) }
	return o.start(1, room)
}

// hooks returns an outbox that runs the hooks for each document, once.
func (n *Notifier) hooks(name string, hooks []Hook) *outbox {
	if len(hooks) == 0 {
		return nil
	}
	o := &outbox{name: name, log: n.cfg.Log, timeout: 2 * allOf(hooks), most: 1, tries: 1}
	o.begin = func(batch []Document) func(context.Context) error {
		return func(ctx context.Context) error {
			var errs []error
			for _, h := range hooks {
				errs = append(errs, h.run(ctx, batch[0]))
			}
			return errors.Join(errs...)
		}
	}
	return o.start(hooksRun, hookRoom)
}

// allOf returns how long hooks that are run one after the other may take.
func allOf(hooks []Hook) (all time.Duration) {
	for _, h := range hooks {
		all += h.Timeout
	}
	return all
}

func (r request) each(batch []Document) func(context.Context) error {
	return func(ctx context.Context) error { return r.send(ctx, batch[0]) }
}

func (n *Notifier) post(batch []Document) func(context.Context) error {
	m := n.cfg.Mail
	d := &delivery{Mail: m, log: n.cfg.Log, letter: letter(m.From, m.To, batch, time.Now()), left: m.To}
	return d.attempt
}

// Consent asks the hooks before a switch whether it may begin. It is the heart's
// port of that name: an error is a fault that says who objects, and how to continue.
// A switch that can't be noted in the audit log must not begin either: whoever
// keeps such a log wants nothing to happen unseen, and a switch can wait.
func (n *Notifier) Consent(ctx context.Context, want rotate.Domain, s rotate.Step) error {
	d := ofSwitch(want, s, n.cfg.By, time.Now())
	if err := n.audit.note(d, true); err != nil {
		return &fault.Error{Kind: fault.Refused, Code: codes.AuditUnwritten, Err: err, What: "note in the audit log that " +
			d.Domain + " is to switch to " + d.Selector,
			Hint: n.audit.remedy(err) + "; no switch begins that the audit log does not show, and what is under way continues"}
	}
	if len(n.cfg.BeforeSwitch) == 0 {
		return nil
	}
	select {
	case n.asking <- struct{}{}:
		defer func() { <-n.asking }()
	case <-ctx.Done():
		return veto(d, errors.New("too many hooks were running for this one to be asked"))
	}
	return consent(ctx, n.cfg.BeforeSwitch, d)
}

// Step notes a step that was carried out. It is engine.Parts.Notify.
func (n *Notifier) Step(e rotate.Event) {
	if e.Outcome == codes.OutcomeDone {
		_ = n.audit.note(ofEvent(e, nil), false) // logged there
	}
}

// Failed reports a failed or refused attempt. It is engine.Parts.Failed.
func (n *Notifier) Failed(e rotate.Event, err error) { n.trouble(ofEvent(e, err)) }

// Command reports a command that failed or was refused before it took the domain,
// or any domain when that is "".
func (n *Notifier) Command(name, domain string, err error) {
	n.trouble(ofCommand(name, domain, n.cfg.By, time.Now(), err))
}

// Well says that commands get as far as beginning with domains: the next failure
// of one is a new one.
func (n *Notifier) Well() { n.memory.well("") }

// Stored reports what a change of a domain's state finished. It is engine.Parts.Stored.
func (n *Notifier) Stored(before, after rotate.State) {
	if before.Failures > 0 && after.Failures == 0 {
		n.memory.well(after.Domain)
	}
	if d, ok := ofTurn(before, after, n.cfg.By, time.Now()); ok {
		n.after.put(d)
		n.report(d)
	}
}

func (n *Notifier) trouble(d Document) {
	_ = n.audit.note(d, false) // logged there
	n.failure.put(d)
	n.report(d)
}

// auditFailed says that the audit log can't be written, where else it can be reported.
func (n *Notifier) auditFailed(err error) {
	d := ofCommand("", "", n.cfg.By, time.Now(),
		fault.Temporary("write the audit log", err, "make room, or repair the log's directory; until then no switch begins"))
	n.failure.put(d)
	n.report(d)
}

// report passes a document on to those who want it and do not have it yet.
func (n *Notifier) report(d Document) {
	failure := d.Event == Failed || d.Event == Refused
	if w := n.cfg.Webhook; w != nil && slices.Contains(w.On, d.Event) && (!failure || n.memory.due(n.webhook.name, d)) {
		n.posts.report(d, n.cause(d))
	}
	if m := n.cfg.Mail; m != nil && slices.Contains(m.On, d.Event) && (!failure || n.memory.due(n.mail.name, d)) {
		n.letters.report(d, n.cause(d))
	}
}

// remember writes the memory now and then.
func (n *Notifier) remember() {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			n.memory.save()
		case <-n.stop:
			return
		}
	}
}

// Close delivers what waits, and logs what can't be delivered in ten seconds. Hooks
// that run, or wait for their turn, have as long as their time-outs allow.
func (n *Notifier) Close() {
	n.audit.close(endTime) // first: it may have to say that it can't be written
	n.posts.close()
	n.letters.close()
	var closing sync.WaitGroup
	closing.Go(func() { n.after.close(endTime + allOf(n.cfg.After)) })
	closing.Go(func() { n.failure.close(endTime + allOf(n.cfg.OnFailure)) })
	for _, o := range []*outbox{n.webhook, n.mail, n.heart} {
		closing.Go(func() { o.close(endTime) })
	}
	closing.Wait()
	close(n.stop)
	n.saver.Wait()
	n.memory.save()
	n.client.CloseIdleConnections()
}
