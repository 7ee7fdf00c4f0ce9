package providers

import (
	"errors"
	"net/http"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// explain says what an error of the service means.
func (a *cloudflareAccount) explain(err error) error {
	var e *cloudflareError
	if !errors.As(err, &e) {
		return err // the network, or a failure that knows already
	}
	switch {
	case e.status == http.StatusTooManyRequests:
		return &failure{kind: fault.Transient, err: err, after: e.after,
			hint: "Cloudflare's limit of calls is used up; wait, it counts for everything that uses the account"}
	case e.status >= 500 || e.noise:
		return &failure{kind: fault.Transient, err: err, after: e.after}
	case e.has(identicalRecordExists, recordExists):
		// An attempt that was given up made it meanwhile. The next one finds it.
		return transient(err, "")
	case e.has(couldNotRoute), e.status == http.StatusNotFound:
		// The zone was made again or the record removed between two calls.
		a.forgetZones()
		return transient(err, "")
	case e.has(authenticationError, invalidAccessToken, invalidHeaders, unauthorized),
		e.status == http.StatusUnauthorized, e.status == http.StatusForbidden:
		return notAccepted(err, "check that the API token is valid and has Zone:Read and DNS:Edit for the zone")
	case e.has(quotaExceeded):
		return permanent(err, "the zone's plan allows no more records: remove some, or change the plan")
	case e.has(hostHasAlias, aliasExists):
		return permanent(err, "a CNAME stands at the name: let dkimbot publish at its target, or, if a mail service signs by it, "+
			"leave it and name other selectors in the policy")
	}
	return permanent(err, "correct what the message names")
}

// Codes of the API that are worth distinguishing.
const (
	invalidHeaders        = 6003
	couldNotRoute         = 7003
	invalidAccessToken    = 9109
	unauthorized          = 9106
	authenticationError   = 10000
	quotaExceeded         = 81045
	hostHasAlias          = 81053
	aliasExists           = 81054
	recordExists          = 81057
	identicalRecordExists = 81058
)
