package finding

import (
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Silent says that a signer does not answer. In an emergency, a compromised key does not wait for it.
func Silent(signer string, err error, emergency bool) *Finding {
	repair := "it is asked again; until it answers, no key is replaced"
	if emergency {
		repair += " but a compromised one"
	}
	return Troubled(codes.SignerSilent, "", signer, err, repair)
}

// Stuck says that a signer would refuse a switch, long before one is due; nil where it would not.
func Stuck(signer string, refuses error) *Finding {
	if refuses == nil {
		return nil
	}
	return &Finding{Code: codes.SignerStuck, Signer: signer, Asks: true, Repair: fault.HintOf(refuses),
		Message: fmt.Sprintf("signer %s would refuse a switch: %s", signer, fault.Text(refuses))}
}

// Unfit says that a signer signs by an algorithm that does not fit its key. No key that it is given changes that.
func Unfit(signer, selector, algorithm string) *Finding {
	return &Finding{Code: codes.SignerStrays, Signer: signer, Asks: true,
		Message: fmt.Sprintf("signer %s signs with %s by the algorithm %s, which does not fit the key there: all its mail fails "+
			"at every receiver", signer, selector, algorithm),
		Repair: "set the algorithm that fits the key where the signer has it, such as SignatureAlgorithm in opendkim.conf " +
			"(rsa-sha256 for RSA keys; it counts for all domains of that OpenDKIM), and restart the signer; no other key helps"}
}

// RSAOnly is the refusal of a signer that takes RSA keys only, as why says, to sign with the Ed25519 key of that name.
// At the selector rsa, "" for none, the next rotation gives it an RSA key.
func RSAOnly(name dkim.Name, signer, why, rsa string) error {
	hint := fmt.Sprintf("give the domain RSA keys: 'key: rsa2048' in its policy, then 'dkimbot rotate --domain %s "+
		"--replace-standby', and 'dkimbot rotate --domain %s'; or let another signer sign for it", name.Domain, name.Domain)
	if rsa != "" {
		hint = fmt.Sprintf("'dkimbot rotate --domain %s' gives it the key of %s, which is an RSA key", name.Domain, rsa)
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm, Hint: hint, Err: errors.New(why),
		What: fmt.Sprintf("have signer %s sign with the Ed25519 key of %s", signer, name)}
}

// OverruledHint leads out where a line or key of others counts.
const OverruledHint = "see who wrote that; dkimbot does not change lines of others: remove them if nobody needs them. Where the signer " +
	"uses another key by that, dkimbot writes its own lines and key files again, and the same happens with the next switch"

// Overruled says that a line of others in a signer's files counts in the place of dkimbot's own, or that a key file of
// dkimbot's holds another key; nil for no line.
func Overruled(signer, line string) *Finding {
	if line == "" {
		return nil
	}
	return &Finding{Code: codes.SignerOverruled, Signer: signer, Asks: true, Repair: OverruledHint,
		Message: fmt.Sprintf("in the files of signer %s, %s", signer, line)}
}

// Unkept says that a signer signs, and would not after its next start, or with another key; nil where it would. Where
// the signer refuses to be given its key again, a person is asked.
func Unkept(signer, what string, refuses error) *Finding {
	if what == "" {
		return nil
	}
	f := &Finding{Code: codes.SignerUnkept, Signer: signer, Message: fmt.Sprintf("in the files of signer %s, %s", signer, what),
		Repair: "dkimbot writes its lines again by itself; see what removed or changed them"}
	if refuses != nil {
		f.Asks, f.Repair = true, "dkimbot can't write its lines again until somebody does this: "+fault.HintOf(refuses)
	}
	return f
}

// ContestedFor is how long it is remembered that another program changed a signer.
const ContestedFor = 24 * time.Hour

// Contested says, when a signer was seen changed again and again after it had confirmed, who may have done that.
func Contested(times int) string {
	if times < 2 {
		return ""
	}
	return fmt.Sprintf("; another program has changed it %d times in a row after it had confirmed: find that program, "+
		"such as a second dkimbot with a state of its own, or configuration management", times)
}

// SignedWithOthers says what to do about a record that dkimbot did not make, where a signer signs with its key.
func SignedWithOthers(signer, domain string) string {
	return fmt.Sprintf("leave it there: signer %s signs with its key, and mail needs it. Another dkimbot, or a person, "+
		"also switches that signer. Stop that; or, if the other one shall manage %s, take it out of this configuration. "+
		"To manage it here, copy the other one's state (dkimbot backup, restore) and keys to this host", signer, domain)
}
