package notify

import (
	"crypto/rand"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The events.
const (
	BeforeSwitch = "before_switch" // a switch is about to begin
	Switched     = "switched"      // all signers have switched, or a new domain's signers sign
	Rotated      = "rotated"       // the old key was replaced: the rotation is over
	Failed       = "failed"        // an attempt failed
	Refused      = "refused"       // a safety rule, or a hook, forbade an attempt
	heartbeat    = "heartbeat"     // all is well; to the heartbeat's URL only
)

// Document describes one event.
type Document struct {
	report.NoticeDocument
	failed rotate.Failure // what failed, without the words
}

func newDocument(event, by string, at time.Time) Document {
	return Document{NoticeDocument: report.NoticeDocument{FormatVersion: report.FormatVersion,
		ID: strings.ToLower(rand.Text()), Event: event, At: at.UTC(), By: by}}
}

// ofEvent describes what happened in a step; err is nil unless it failed.
func ofEvent(e rotate.Event, err error) Document {
	d := newDocument(string(e.Outcome), e.By, e.At)
	d.Domain, d.Phase, d.Step, d.Selector, d.Signer, d.KeyID, d.Message = e.Domain, string(e.Phase), string(e.Kind),
		e.Selector, e.Signer, e.KeyID, e.Message
	d.Error = report.NewProblem(err)
	d.failed = rotate.FailureOf(rotate.Step{Kind: e.Kind, Selector: e.Selector, Signer: e.Signer}, err)
	return d
}

// ofSwitch describes the switch that is about to begin.
func ofSwitch(want rotate.Domain, s rotate.Step, by string, at time.Time) Document {
	d := newDocument(BeforeSwitch, by, at)
	d.Domain, d.Step, d.Selector, d.Previous, d.KeyID = want.Name, string(s.Kind), s.Selector, s.From.Selector, s.To.KeyID
	d.Message = "is about to switch to " + s.Selector + ": " + s.Reason.Message
	return d
}

// ofTurn describes what a change of phase finished, if it finished anything.
func ofTurn(before, after rotate.State, by string, at time.Time) (Document, bool) {
	d := newDocument(Switched, by, at)
	d.Domain, d.Phase = after.Domain, string(after.Phase)
	switch {
	case before.Phase == after.Phase:
		return d, false
	case before.Phase == rotate.Replacing && after.Phase == rotate.Ready:
		d.Event, d.Selector = Rotated, before.Draining
		d.Message = d.Selector + " has its fresh key and waits for the next rotation; " + after.Active + " signs"
	case before.Phase == rotate.Switching && after.Phase == rotate.Ready:
		d.Selector, d.Previous = after.Active, before.Target
		d.Message = "all signers went back to " + d.Selector
	case before.Phase == rotate.Bootstrapping && after.Phase == rotate.Ready, before.Phase == rotate.Switching &&
		after.Phase != rotate.Switching:
		d.Selector, d.Previous = after.Active, before.Active
		d.Message = "all signers sign with " + d.Selector
		if after.Phase == rotate.Draining {
			d.Message += "; " + after.Draining + " drains"
		}
	default:
		return d, false
	}
	if sel := after.Selectors[d.Selector]; sel != nil && sel.Key != nil {
		d.KeyID = sel.Key.ID
	}
	return d, true
}

// ofCommand describes a command that ended with err before it took the domain, or
// any domain when that is "".
func ofCommand(command, domain, by string, at time.Time, err error) Document {
	event := Failed
	if fault.KindOf(err) == fault.Refused {
		event = Refused
	}
	d := newDocument(event, by, at)
	d.Command, d.Domain, d.Message, d.Error = command, domain, fault.Text(err), report.NewProblem(err)
	d.failed = rotate.FailureOf(rotate.Step{}, err)
	return d
}

// environment returns d as the variables that every hook has, empty where nothing applies.
func (d Document) environment() []string {
	var kind, code, hint string
	if d.Error != nil {
		kind, code, hint = d.Error.Kind, string(d.Error.Code), d.Error.Hint
	}
	env := []string{}
	for _, v := range [][2]string{
		{"EVENT", d.Event}, {"ID", d.ID}, {"AT", d.At.Format(time.RFC3339)}, {"BY", d.By}, {"COMMAND", d.Command},
		{"DOMAIN", d.Domain}, {"PHASE", d.Phase},
		{"STEP", d.Step}, {"SELECTOR", d.Selector}, {"PREVIOUS", d.Previous}, {"SIGNER", d.Signer}, {"KEY_ID", d.KeyID},
		{"MESSAGE", d.Message},
		{"ERROR_KIND", kind}, {"ERROR_CODE", code}, {"ERROR_HINT", hint},
	} {
		env = append(env, "DKIMBOT_"+v[0]+"="+oneLine(v[1]))
	}
	return env
}

// oneLine returns text fit for a line of a terminal, a header field or an
// environment variable: without line breaks and characters that can't be seen.
func oneLine(text string) string {
	return strings.ReplaceAll(screen.Visible(text), "\ufffd", "?")
}
