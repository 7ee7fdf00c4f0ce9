package finding

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// DeadKey says that signers of a domain sign with the key of a selector that was revoked; all: these are all signers.
func DeadKey(domain, selector string, signers []string, all bool) *Finding {
	mail := fmt.Sprintf("mail of %s through %s fails", domain, strings.Join(signers, ", "))
	if all {
		mail = fmt.Sprintf("all mail of %s fails", domain)
	}
	return &Finding{Code: codes.MailFails, Selector: selector, Asks: true,
		Message: mail + " now: it is signed with " + selector + ", whose key was revoked",
		Repair:  "signers leave that key by themselves as soon as they can be given another one; see what keeps them from it"}
}
