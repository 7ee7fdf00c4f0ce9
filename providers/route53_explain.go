package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// explainRoute53 says what an error of the AWS SDK means.
func explainRoute53(err error, zone string) error {
	var known *failure
	if errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var batch *types.InvalidChangeBatch
	if errors.As(err, &batch) && len(batch.Messages) > 0 { // its text leaves the messages out
		return permanent(fmt.Errorf("the service does not accept the change: %s", strings.Join(batch.Messages, "; ")),
			"correct what the message names: another record at the name, or the zone")
	}
	var answered *smithyhttp.ResponseError
	if retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary ||
		errors.As(err, &answered) && (answered.HTTPStatusCode() == 429 || answered.HTTPStatusCode() >= 500) {
		return transient(err, "")
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		if strings.Contains(err.Error(), "credentials") {
			return notAccepted(err, "give dkimbot AWS credentials: access_key_id and secret_access_key, a profile, "+
				"or a role of the instance")
		}
		return transient(err, "")
	}
	hint := route53Hint(api.ErrorCode(), zone)
	if hint == hintLogin || hint == hintExpired {
		return notAccepted(err, hint)
	}
	return permanent(err, hint)
}

const (
	hintLogin   = "AWS does not accept the credentials: check access_key_id and secret_access_key"
	hintExpired = "the AWS credentials have expired: renew them, or check this machine's clock"
)

func route53Hint(code, zone string) string {
	switch code {
	case "AccessDenied", "AccessDeniedException", "NotAuthorizedException":
		return "allow route53:ListHostedZonesByName for the account and route53:ChangeResourceRecordSets for the hosted zone of " + zone
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "IncompleteSignature",
		"MissingAuthenticationToken":
		return hintLogin
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return hintExpired
	case "NoSuchHostedZone":
		return "check zone_id: the account has no such hosted zone"
	}
	return ""
}
