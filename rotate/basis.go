package rotate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Basis returns a digest of the part of the state that decides what is done. What every health check writes, such as
// what comes next and what failed, is not part of it: a daemon that checks a domain makes no saved plan for it stale.
func (st State) Basis() string {
	st.Revision, st.DueAt, st.Failures, st.LastError, st.Refused, st.NextTry, st.Next, st.Config = 0, time.Time{}, 0, "",
		false, time.Time{}, nil, ""
	st.Failed, st.Drift, st.Former, st.Clock, st.Read, st.Parted = Failure{}, nil, nil, nil, State{}.Read, nil
	if len(st.Accounts) == 1 { // older versions did not note the only one
		st.Accounts = nil
	}
	st.Enter(cmp.Or(st.Phase, New))
	text, err := json.Marshal(st)
	if err != nil {
		panic("rotate: a State does not marshal: " + err.Error()) // what was stored does
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
