package probe

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// tokenField is the field of the header that has the token.
const tokenField = "X-Dkimbot-Probe"

// newToken returns what no stranger can guess: 130 bits of chance.
func newToken() string { return rand.Text() }

// compose writes the message that is to be signed. All of its parts are in the form that the configuration's reader
// and dkim.ParseDomain let through: no line can be added by them.
func compose(from, to, domain, token string, now time.Time) []byte {
	var m strings.Builder
	for _, f := range [][2]string{
		{"From", from}, {"To", to}, {"Subject", "dkimbot probe of " + domain},
		{"Date", now.UTC().Format(time.RFC1123Z)}, {"Message-ID", "<" + token + ".probe@" + domain + ">"},
		{tokenField, token}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", "text/plain; charset=us-ascii"},
	} {
		fmt.Fprintf(&m, "%s: %s\r\n", f[0], f[1])
	}
	fmt.Fprintf(&m, "\r\ndkimbot looks at which key signs the mail of %s.\r\nThis message can be deleted.\r\n\r\n%s\r\n",
		domain, token)
	return []byte(m.String())
}
