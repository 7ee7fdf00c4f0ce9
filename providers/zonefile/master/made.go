package master

import "fmt"

// A few octets in a zone file can stand for any number of records: $GENERATE makes them, and
// $INCLUDE can read the same file again and again. Whoever may write a zone file must not be able
// to fill the memory of the process that reads it, so what is made that way is bounded for
// a zone file together with all that it includes. Four networks of 65536 addresses (/16) fit.
const (
	maxMade     = 1 << 18   // records
	maxMadeText = 32 << 20  // octets of their owners and data
	maxGrowth   = 256 << 10 // octets that substitution may add to a text: more than the longest data in any spelling
)

// made counts what no text of a file holds.
type made struct{ records, text int }

// more refuses to make more records than are left. It is asked before they are made.
func (m *made) more(records int) error {
	if records > maxMade-m.records {
		return &boundError{fmt.Sprintf("too many records are made by $GENERATE, or by $INCLUDE of the same file again: "+
			"at most %d are read for a zone", maxMade)}
	}
	return nil
}

// count takes up one record that has so many octets of text.
func (m *made) count(text int) error {
	if err := m.more(1); err != nil {
		return err
	}
	m.records++
	m.text += text
	if m.text > maxMadeText {
		return &boundError{fmt.Sprintf("the records made by $GENERATE, or by $INCLUDE of the same file again, "+
			"are too large: at most %d MiB of text are read for a zone", maxMadeText>>20)}
	}
	return nil
}

// boundError says that a bound is reached. Reading ends there: what follows is not read record by record.
type boundError struct{ reason string }

func (e *boundError) Error() string { return e.reason }
