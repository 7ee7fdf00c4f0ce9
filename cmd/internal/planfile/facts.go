package planfile

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// step returns the step that the document describes: the opposite of approval.FactsOf.
func (s Step) step() rotate.Step {
	out := rotate.Step{Kind: s.Kind, Selector: s.Selector, Signer: s.Signer, Target: s.Target, Reason: s.Reason,
		From: side(s.Before), To: side(s.After), Algorithm: dkim.Algorithm(s.After["key"]),
		TTL: calendar.ParseSpan(s.After["ttl"]), Asked: s.Before["asked"], Signs: s.After["signs"]}
	if s.Kind == rotate.Drain { // the record stands still
		out.From, out.To = rotate.Side{}, rotate.Side{}
	}
	if s.NotBefore != nil {
		out.NotBefore = *s.NotBefore
	}
	return out
}

// side returns what the document says of one side of a step.
func side(f approval.Facts) rotate.Side {
	if f["key_id"] == approval.Generated && (f["record"] == "" || f["record"] == approval.Generated) {
		return rotate.Side{Selector: f["selector"], Fresh: true}
	}
	return rotate.Side{Selector: f["selector"], KeyID: f["key_id"], Record: f["record"]}
}
