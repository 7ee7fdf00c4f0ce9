package rotate

import (
	"fmt"
	"time"
)

// HeldError says who acts on a domain now (I8).
type HeldError struct {
	Domain  string
	Owner   string
	Fence   int64
	Expires time.Time
}

// Error names the owner and the expiry.
func (e *HeldError) Error() string {
	return fmt.Sprintf("%s is being worked on by %s (its lease runs out at %s)", e.Domain, e.Owner, e.Expires.UTC().Format(time.RFC3339))
}
