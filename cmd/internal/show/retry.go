package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
)

// Retry writes when a domain that failed is tried again.
func (t Text) Retry(st rotate.State) {
	t.heading(st.Domain, st.Phase)
	t.failures(st)
	t.next(st.Next, "")
	fmt.Fprintln(t.W)
}

// Retry is a domain that failed and whose next try is yet to come.
type Retry struct {
	Name      string `json:"name"`
	Phase     string `json:"phase"`
	Failures  int    `json:"failures"`
	LastError string `json:"last_error"`
	Next      *Next  `json:"next"`
}

func retries(states []rotate.State) []Retry {
	out := []Retry{}
	for _, st := range states {
		out = append(out, Retry{st.Domain, string(st.Phase), st.Failures, st.LastError, newNext(st.Next)})
	}
	return out
}
