package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// sentBack says which signers a person has sent back during a switch.
func (t domain) sentBack() {
	st := t.st
	if len(st.Held) > 0 {
		fmt.Fprintf(t.W, "  %s %s to %s; 'dkimbot rotate --domain %s' carries the switch on for all\n",
			t.Yellow("sent back:"), strings.Join(st.Held, ", "), st.Active, st.Domain)
	}
}

// onHold says that the schedule begins no switch.
func (t domain) onHold() {
	st := t.st
	h := st.OnHold
	if h == nil {
		return
	}
	why := "since " + t.At(h.At) + ", by " + h.By
	if h.KeyID != "" { // its time includes the lag of the signers, and may be to come
		why = "because signers went back from key " + dkim.ShortID(h.KeyID) + ", in effect from " + t.At(h.At)
	}
	fmt.Fprintf(t.W, "  %s %s; 'dkimbot unhold --domain %s' ends that\n", t.Yellow("on hold"), why, st.Domain)
}

// ordered says what an order of a person does before anything else is done.
func ordered(e rotate.Event) string {
	if e.Code == codes.NoKeyYet || e.Code == codes.GoneAlready {
		return e.Selector + ": " + e.Message
	}
	if e.Kind == rotate.ReportCompromised {
		return reported(e, "is")
	}
	return e.Message
}

// reported says that a key is compromised; one of which that is known already is not said to be noted again.
func reported(e rotate.Event, is string) string {
	key := keyWords(e.KeyID, "")
	if strings.HasPrefix(e.Message, "reported as compromised before") {
		return fmt.Sprintf("%s: %s was %s", e.Selector, key, e.Message)
	}
	return fmt.Sprintf("%s: %s %s noted as compromised", e.Selector, key, is)
}

// released says what stays where of a domain that was released.
func (t domain) released() {
	st := t.st
	r := st.Released
	if r == nil {
		return
	}
	fmt.Fprintf(t.W, "  %s %s; dkimbot does nothing for it any more\n", t.Yellow("released"), t.At(r.At))
	switch stays := staysOf(report.NewUnlisted([]rotate.State{st})[0]); {
	case !r.Purged.IsZero():
		t.Line("  ", "stays", "nothing: records were revoked and keys destroyed "+t.At(r.Purged)+
			"; a record without a key (p=) is left at each name, which may be removed")
	case r.Purge:
		t.Line("  ", "stays", strings.Join(stays, "; ")+
			"; records are revoked and keys destroyed when no signer has used them for as long as the drain")
	default:
		t.Line("  ", "stays", strings.Join(stays, "; "))
		t.Line("  ", "", "take it out of the configuration, or take it back: dkimbot release --domain "+st.Domain+" --undo")
	}
}
