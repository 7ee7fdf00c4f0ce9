package show

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
)

// Retry writes when a domain that failed is tried again.
func (t Text) Retry(st rotate.State) {
	t.heading(st.Domain, st.Phase)
	domain{t, st}.failures()
	t.next(st.Next, rotate.Reason{})
	fmt.Fprintln(t.W)
}
