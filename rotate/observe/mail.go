package observe

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// mailHours is how many hours pass between two looks of the health check at the mail of a domain.
const mailHours = 24

// MailIsDue reports whether the health check of this hour looks at a domain's mail: all domains take turns.
func MailIsDue(domain string, now time.Time) bool {
	h := fnv.New32a()
	h.Write([]byte(domain))
	return int64(h.Sum32()%mailHours) == now.Unix()/int64(time.Hour/time.Second)%mailHours
}

// Mail is what a domain's mail through a signer shows. Not all signers have their mail looked at.
type Mail struct {
	Looked bool
	Keys   []dkim.Ref
}

// AskMail returns what lets many domains be proved by mail of the signer at once, and what lets them ask which keys
// their mail shows; nil for a signer whose mail is not looked at. Both are safe for concurrent use.
func AskMail(name string, s ports.Signer) (*batch.Calls[dkim.SigningKey, struct{}], *batch.Calls[string, Mail]) {
	p, ok := s.(ports.Prober)
	if !ok {
		return nil, nil
	}
	return &batch.Calls[dkim.SigningKey, struct{}]{What: "look at mail of signer " + name, Reads: true,
			Do: func(ctx context.Context, keys []dkim.SigningKey) ([]struct{}, []error) {
				err := p.Prove(ctx, keys)
				errs := make([]error, len(keys))
				for i, k := range keys {
					errs[i] = batch.ErrorFor(err, k.Domain)
				}
				return make([]struct{}, len(keys)), errs
			}}, &batch.Calls[string, Mail]{What: "look at mail of signer " + name, Reads: true,
			Do: func(ctx context.Context, domains []string) ([]Mail, []error) {
				signed, err := p.Signed(ctx, slices.Compact(slices.Sorted(slices.Values(domains))))
				out, errs := make([]Mail, len(domains)), make([]error, len(domains))
				for i, d := range domains {
					keys, looked := signed[d]
					out[i], errs[i] = Mail{looked, keys}, batch.ErrorFor(err, d)
				}
				return out, errs
			}}
}
