package approval

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// Generated stands in documents for a key that is yet to be made, and for its record.
const Generated = "(generated at apply)"

// standsStill is what documents say of the record before a drain and after it.
const standsStill = "published"

// Facts describe one side of a step by name, for documents.
type Facts map[string]string

// FactsOf returns what documents say of a step: what is there before it and after it.
// Nothing that is done is decided by them.
func FactsOf(s rotate.Step) (before, after Facts) {
	before, after = Facts{}, Facts{}
	switch s.Kind {
	case rotate.Generate:
		after["key"] = string(s.Algorithm)
	case rotate.StoreKey, rotate.Destroy:
		before["key_id"], after["key_id"] = keyID(s.From), keyID(s.To)
	case rotate.Publish, rotate.Revoke:
		before["record"], before["key_id"] = record(s.From), keyID(s.From)
		after["record"], after["key_id"], after["ttl"] = record(s.To), keyID(s.To), calendar.Span(s.TTL)
	case rotate.Verify:
		after["record"], after["key_id"] = record(s.To), keyID(s.To)
	case rotate.Activate:
		before["selector"], before["key_id"] = s.From.Selector, keyID(s.From)
		after["selector"], after["key_id"] = s.To.Selector, keyID(s.To)
	case rotate.Drain:
		before["record"], after["record"] = standsStill, standsStill
	case rotate.Adopt:
		before["record"], before["key_id"] = record(s.From), keyID(s.From)
		after["record"], after["key_id"], after["signs"] = record(s.To), keyID(s.To), s.Signs
	}
	if s.Asked != "" {
		before["asked"] = s.Asked
	}
	return before, after
}

func keyID(s rotate.Side) string {
	if s.Fresh {
		return Generated
	}
	return s.KeyID
}

func record(s rotate.Side) string {
	if s.Fresh {
		return Generated
	}
	return s.Record
}
