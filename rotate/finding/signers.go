package finding

import (
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Stuck says that a signer would refuse a switch, long before one is due; nil where it would not.
func Stuck(signer string, refuses error) *Finding {
	if refuses == nil {
		return nil
	}
	return &Finding{Code: codes.SignerStuck, Signer: signer, Asks: true, Repair: fault.HintOf(refuses),
		Message: fmt.Sprintf("signer %s would refuse a switch: %s", signer, fault.Text(refuses))}
}

// OverruledHint leads out where a line of others counts.
const OverruledHint = "see who wrote that line, and remove it if nobody needs it; dkimbot does not change it. Where it has the signer use " +
	"another key, dkimbot writes its own lines again, so that they count, and the same happens with the next switch"

// Overruled says that a line of others in a signer's files counts in the place of dkimbot's own; nil for no line.
func Overruled(signer, line string) *Finding {
	if line == "" {
		return nil
	}
	return &Finding{Code: codes.SignerOverruled, Signer: signer, Asks: true, Repair: OverruledHint,
		Message: fmt.Sprintf("in the files of signer %s, %s", signer, line)}
}
