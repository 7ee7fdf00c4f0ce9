package wayout

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/algorithm"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// ReplaceReason says why a selector gets a fresh key. Where signers are to leave a compromised key for that one, it
// says so: an emergency is open as long as they can't.
func ReplaceReason(j *health.Check, s string) rotate.Reason {
	why := replaceReason(j, s)
	if from := j.Have.Active; from != s && j.Have.Leaked(from) && !j.Have.Leaked(s) {
		why.Message += ", and signers leave the compromised key at " + from + " for it"
	}
	return why
}

func replaceReason(j *health.Check, s string) rotate.Reason {
	if j.Have.Selector(s).Renew {
		return rotate.Reason{Code: codes.Asked, Message: "a fresh " + string(algorithm.Next(j)) +
			" key for the standby " + s + " was asked for"}
	}
	if j.Have.Phase == rotate.Ready && algorithm.Unfit(j, s) {
		return rotate.Reason{Code: codes.Replace, Message: fmt.Sprintf("signer %s could not use the %s key of the standby %s "+
			"after the one that signs now: the standby gets one of the same kind", strings.Join(algorithm.Unmixed(j), ", "),
			algorithm.At(j.Have.Selector(s)), s)}
	}
	if j.Have.Phase == rotate.Ready {
		return rotate.Reason{Code: codes.KeyMissing, Message: "the private key for " + j.Name(s).String() +
			" is missing from the keystore and no signer uses it: the standby gets a fresh one"}
	}
	if old := j.Have.AlreadyReported(s); old != nil && j.Have.Selector(s).InPlace() && j.Have.Selector(s).Next == nil {
		return rotate.Reason{Code: codes.Compromised, Message: "a fresh key stands at " + s + "; the private key that was " +
			"reported as compromised is still to be destroyed"}
	}
	return rotate.Reason{Code: codes.Replace, Message: "the drain of " + s +
		" has passed: it gets a fresh key, ready for the next rotation"}
}

// DestroyReason says why a private key is destroyed that no signer uses.
func DestroyReason(r rotate.Retired) rotate.Reason {
	switch {
	case r.Leaked:
		return rotate.Reason{Code: codes.Compromised, Message: "no signer signs with the compromised key any more"}
	case r.Older:
		return rotate.Reason{Code: codes.Replaced, Message: "the keystore still held this older key when the state was lost, or was " +
			"older: DNS does not show it, and no signer uses it"}
	case r.Dropped:
		return rotate.Reason{Code: codes.Dropped, Message: "the key was given up before a signer used it"}
	}
	return rotate.Reason{Code: codes.Replaced, Message: "the new record is public; the old private key is needed no more"}
}

// InUseStill says of compromised keys that a plan neither revokes nor has signers leave what becomes of them after it.
func InUseStill(j *health.Judge, selectors []string) string {
	return fmt.Sprintf("%s; signers leave it, and it is revoked, as soon as they can be given another key: these steps "+
		"prepare that; '%s' revokes it now anyway", j.StillUsed(selectors), j.RevokeNow(selectors))
}
