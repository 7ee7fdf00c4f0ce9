// Package drivers lists the kinds of signers. A driver more is one line here.
package drivers

import (
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/dkimpy"
	"github.com/dkimbot/dkimbot/rotate/signer/exec"
	"github.com/dkimbot/dkimbot/rotate/signer/exim"
	"github.com/dkimbot/dkimbot/rotate/signer/haraka"
	"github.com/dkimbot/dkimbot/rotate/signer/http"
	"github.com/dkimbot/dkimbot/rotate/signer/kumomta"
	"github.com/dkimbot/dkimbot/rotate/signer/maddy"
	"github.com/dkimbot/dkimbot/rotate/signer/mailgun"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd"
	"github.com/dkimbot/dkimbot/rotate/signer/ses"
	"github.com/dkimbot/dkimbot/rotate/signer/stalwart"
)

// All returns empty settings of each driver.
func All() []signer.Settings {
	return []signer.Settings{
		opendkim.Defaults(),
		dkimpy.Defaults(),
		exec.Defaults(),
		exim.Defaults(),
		haraka.Defaults(),
		http.Defaults(),
		ses.Defaults(),
		mailgun.Defaults(),
		stalwart.Defaults(),
		kumomta.Defaults(),
		maddy.Defaults(),
		rspamd.Defaults(),
		agent.Defaults(),
	}
}
