package providers

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsroute53 "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Check finds the hosted zone and asks for a change that the service takes from nobody: a TXT value that is
// not in quotes, is longer than a string may be, and is there twice. It looks at the rights first, so its
// refusal of the value proves them. A batch that is refused changes nothing.
func (h *hostedZones) Check(ctx context.Context, rec dkim.TXT) error {
	if _, err := h.module(ctx, rec.Zone); err != nil {
		return explainRoute53(err, rec.Zone)
	}
	id := h.cfg.HostedZoneID
	if id == "" {
		z, _ := h.lookedUp(rec.Zone)
		id = z.id
	}
	bad := types.ResourceRecord{Value: aws.String(rec.Value + strings.Repeat("x", 300))}
	_, err := h.client.ChangeResourceRecordSets(ctx, &awsroute53.ChangeResourceRecordSetsInput{
		HostedZoneId: aws.String(id),
		ChangeBatch: &types.ChangeBatch{Changes: []types.Change{{Action: types.ChangeActionUpsert,
			ResourceRecordSet: &types.ResourceRecordSet{Name: aws.String(rec.Owner + "."), Type: types.RRTypeTxt,
				TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{bad, bad}}}}},
	})
	var batch *types.InvalidChangeBatch
	switch {
	case errors.As(err, &batch):
		return nil
	case err == nil:
		return accepted()
	}
	h.forget(rec.Zone)
	return explainRoute53(err, rec.Zone)
}
