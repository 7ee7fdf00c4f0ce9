package ses

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Signer is SES in one region. It is safe for concurrent use.
type Signer struct {
	cfg            Config
	endpoint       string // of a fake; "" for Amazon's
	pace           *rate.Limiter
	poll, backoff  time.Duration
	one            sync.Mutex // held while something changes
	mu             sync.Mutex // guards what follows
	client         *sesv2.Client
	secrets        []string            // of its access key
	given          map[string]dkim.Ref // by domain, what this process gave to SES
	requestTimeout time.Duration
}

// New makes the signer; it asks nothing yet, and reads the secrets of its access key when it does.
func New(cfg Config) *Signer {
	return &Signer{cfg: cfg, pace: rate.NewLimiter(rate.Every(time.Second), 1),
		poll: 5 * time.Second, backoff: 20 * time.Second, given: map[string]dkim.Ref{},
		requestTimeout: endpoint.DefaultTimeout}
}

// Lag is how long after SUCCESS the last mail may still be signed with the key from before.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// open makes the client, with the AWS configuration as it is then.
func (s *Signer) open(ctx context.Context, what string) (*sesv2.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	opts := []func(*config.LoadOptions) error{config.WithRegion(s.cfg.Region),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 5, s.backoff })
		})}
	if s.cfg.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(s.cfg.Profile))
	}
	if s.cfg.AccessKeyID != "" {
		secret, token, err := s.accessKey()
		if err != nil {
			return nil, err
		}
		s.secrets = []string{secret, token}
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(s.cfg.AccessKeyID, secret, token)))
	}
	loaded, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fault.Lasting(what, fmt.Errorf("the AWS configuration can't be loaded: %w", err),
			"correct the AWS environment variables, or the shared files and the profile that they name")
	}
	s.client = sesv2.NewFromConfig(loaded, func(o *sesv2.Options) {
		if s.endpoint != "" {
			o.BaseEndpoint = &s.endpoint
		}
	})
	return s.client, nil
}

// accessKey reads the secrets of the access key.
func (s *Signer) accessKey() (secret, token string, err error) {
	if secret, err = s.cfg.SecretAccessKey.Read(); err == nil && s.cfg.SessionToken.IsSet() {
		token, err = s.cfg.SessionToken.Read()
	}
	return secret, token, err
}

// call makes a request when it is its turn. Where AWS does not take the credentials, they are loaded again and it is
// made once more: they may have been exchanged since, as those that expire are.
func (s *Signer) call(ctx context.Context, what string, do func(context.Context, *sesv2.Client) error) error {
	err := s.callOnce(ctx, what, do)
	var api smithy.APIError
	if !errors.As(err, &api) || hint(api.ErrorCode()) != hintLogin && hint(api.ErrorCode()) != hintExpired {
		return err
	}
	s.mu.Lock()
	s.client = nil
	s.mu.Unlock()
	return s.callOnce(ctx, what, do)
}

func (s *Signer) callOnce(ctx context.Context, what string, do func(context.Context, *sesv2.Client) error) error {
	client, err := s.open(ctx, what)
	if err != nil {
		return err
	}
	if err := s.pace.Wait(ctx); err != nil {
		return fault.Interrupted(what, cmp.Or(context.Cause(ctx), err))
	}
	once, cancel := context.WithTimeout(ctx, s.requestTimeout)
	defer cancel()
	if err := do(once, client); err != nil {
		return s.explain(ctx, once, what, err)
	}
	return nil
}

// explain says what an error of the AWS SDK means.
func (s *Signer) explain(ctx, once context.Context, what string, err error) error {
	said := hidden{err, endpoint.OneLine([]byte(s.clean(err.Error())))}
	var api smithy.APIError
	var answered *smithyhttp.ResponseError
	var gone *types.NotFoundException
	switch {
	case ctx.Err() != nil:
		return fault.Interrupted(what, context.Cause(ctx))
	case once.Err() != nil:
		return fault.Temporary(what, fmt.Errorf("SES gave no answer within %s", s.requestTimeout), "see the state of SES in "+
			s.cfg.Region+"; it is tried again by itself")
	case errors.As(err, &gone):
		return fault.Lasting(what, fmt.Errorf("SES has no such identity in %s", s.cfg.Region),
			"create the domain as an identity there, or let another region or signer sign it")
	case strings.Contains(err.Error(), "get identity: ") || strings.Contains(err.Error(), "get credentials"):
		return fault.Lasting(what, said, "give dkimbot AWS credentials: access_key_id and secret_access_key, a profile, "+
			"or a role of the instance")
	case errors.As(err, &answered) && (answered.HTTPStatusCode() == 429 || answered.HTTPStatusCode() >= 500):
		return fault.Temporary(what, said, "it is tried again by itself; see whether others use up SES's requests in "+
			s.cfg.Region)
	case !errors.As(err, &api):
		return fault.Temporary(what, said, "see whether SES can be reached from here; it is tried again by itself")
	}
	return fault.Lasting(what, said, hint(api.ErrorCode()))
}

const (
	hintLogin   = "AWS does not accept the credentials: check access_key_id and secret_access_key"
	hintExpired = "the AWS credentials have expired: renew them, or check this machine's clock"
)

func hint(code string) string {
	switch code {
	case "AccessDeniedException", "AccessDenied", "NotAuthorizedException":
		return "allow ses:GetEmailIdentity and ses:PutEmailIdentityDkimSigningAttributes for the domain's identity"
	case "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
		"IncompleteSignature", "MissingAuthenticationToken":
		return hintLogin
	case "ExpiredToken", "ExpiredTokenException", "RequestExpired":
		return hintExpired
	}
	return "see why in what SES says"
}

// clean takes the secrets of the access key out of a text (I9).
func (s *Signer) clean(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[...]")
		}
	}
	return text
}

// RSAOnly says why it refuses Ed25519 keys, as it is set up.
func (s *Signer) RSAOnly() (why, remedy string) { return s.cfg.RSAOnly() }
