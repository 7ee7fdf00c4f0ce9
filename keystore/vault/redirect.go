package vault

import (
	"fmt"
	"net/http"
)

// redirectError says that Vault, or what stands before it, sent us elsewhere.
type redirectError struct{ to string }

func (e *redirectError) Error() string {
	return fmt.Sprintf("it redirects to %s, which dkimbot does not follow", e.to)
}

// checkRedirect refuses an answer that leads elsewhere: Vault's client would follow it,
// show that server the token, and lose what was to be written.
func checkRedirect(resp *http.Response) error {
	if resp.StatusCode < 300 || resp.StatusCode > 399 {
		return nil
	}
	to, err := resp.Location()
	if err != nil {
		return &redirectError{"no valid address"}
	}
	return &redirectError{to.Scheme + "://" + to.Host}
}
