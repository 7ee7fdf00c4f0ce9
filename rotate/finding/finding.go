package finding

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Finding is one thing that is not as it should be. It is plain data.
type Finding struct {
	Code     codes.Code `json:"code"` // one of the constants below
	Selector string     `json:"selector,omitempty"`
	Signer   string     `json:"signer,omitempty"`
	Message  string     `json:"message"`        // what is there instead
	Repair   string     `json:"repair"`         // what dkimbot does about it, or what a person is asked to do
	Asks     bool       `json:"asks"`           // a person has to act
	Since    time.Time  `json:"since,omitzero"` // when it was first seen; zero: just now
	// why it is not repaired, where one cause stands behind several findings: codes.StaleState
	Cause codes.Code `json:"cause,omitempty"`
}

// Vague findings say that something could not be found out. Their words differ each
// time; what was said first is kept, so that nothing is written when nothing is new.
func (f Finding) Vague() bool {
	return slices.Contains([]codes.Code{codes.ServersDiffer, codes.RecordBogus, codes.RecordUnseen, codes.KeyUnread,
		codes.SignerSilent}, f.Code)
}

// Unasked findings say that what they are about could not be asked.
func (f Finding) Unasked() bool {
	return f.Code == codes.RecordUnseen || f.Code == codes.KeyUnread || f.Code == codes.SignerSilent
}

// Thing is what a finding is about: a selector's record, its key in the keystore, a signer.
func (f Finding) Thing() Thing {
	kind := TheRecord
	switch f.Code {
	case codes.KeyMissing, codes.KeyDifferent, codes.KeyUnread:
		kind = TheKey
	case codes.MailFails:
		kind = TheExposure
	case codes.RecordElsewhere:
		kind = TheAccount
	case codes.SignerStrays, codes.SignerEmpty, codes.SignerSilent, codes.SignerLeftOver,
		codes.SignerOverruled, codes.SignerUnkept:
		kind = TheSigner
	}
	return Thing{Kind: kind, Selector: f.Selector, Signer: f.Signer}
}

// Same reports whether two findings say the same of the same thing.
func (f Finding) Same(other Finding) bool {
	return f.Code == other.Code && f.Selector == other.Selector && f.Signer == other.Signer
}

// BothMissing is what the finding of a private key says where the other selector's is missing from the keystore, too.
const BothMissing = ", and so is the other one"

// SaidBy reports whether a finding of the keystore tells a person what another one of the domain does: that it can't be
// opened or asked, or that both private keys are missing. It is one thing, whichever selector's key is asked for.
func (f Finding) SaidBy(other Finding) bool {
	both := strings.HasSuffix(f.Message, BothMissing) && strings.HasSuffix(other.Message, BothMissing)
	alike := f.Code == other.Code && f.Repair == other.Repair && (f.Message == other.Message || both)
	return f.Thing().Kind == TheKey && alike
}

// Dated returns what was found with the times since when it is known, and what was
// known and can't be found out now: it is taken to be as it was.
func Dated(found, known []Finding) []Finding {
	var out []Finding
	for _, f := range found {
		if i := slices.IndexFunc(known, f.Same); i >= 0 {
			f.Since = known[i].Since
			if f.Vague() {
				f = known[i]
			}
		}
		out = append(out, f)
	}
	for _, k := range known {
		vague := func(f Finding) bool {
			return f.Thing() == k.Thing() && f.Unasked()
		}
		if slices.ContainsFunc(found, vague) && !slices.ContainsFunc(out, k.Same) {
			out = append(out, k)
		}
	}
	return out
}
