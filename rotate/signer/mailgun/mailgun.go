package mailgun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
)

// Signer is Mailgun in one region. It is safe for concurrent use.
type Signer struct {
	cfg    Config
	client *endpoint.Client
	pace   *rate.Limiter
	poll   time.Duration
	one    sync.Mutex // held while something changes: two switches at once could end in two active keys
}

// perMinute is how many requests Mailgun takes for an account.
const perMinute = 300

// New makes the signer; it asks nothing yet.
func New(cfg Config) (*Signer, error) { return open(cfg, hosts[cfg.Region], 0) }

func open(cfg Config, address string, delay time.Duration) (*Signer, error) {
	s := &Signer{cfg: cfg, pace: rate.NewLimiter(rate.Every(time.Minute/perMinute), 10), poll: 5 * time.Second}
	var err error
	s.client, err = endpoint.New(endpoint.Service{Signer: cfg.Name, Called: "Mailgun", URL: address, Key: "region",
		Timeout: cfg.Timeout, Delay: delay, Login: s.login,
		Trust: "give an API key of the Mailgun account as api_key_file, with a role that may change domains; " +
			"the domain's region must be the one in the configuration"})
	return s, err
}

// login reads the API key, again each time: it may have been replaced.
func (s *Signer) login() (endpoint.Login, error) {
	key, err := s.cfg.APIKey.Read()
	return endpoint.Login{User: "api", Secret: key}, err
}

// Lag is how long after Activate mail may still be signed with the key before.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// call makes a request when it is its turn.
func (s *Signer) call(ctx context.Context, c endpoint.Call) (endpoint.Answer, error) {
	if err := s.pace.Wait(ctx); err != nil {
		return endpoint.Answer{}, fault.Interrupted(c.What, cmp.Or(context.Cause(ctx), err))
	}
	return s.client.Do(ctx, c)
}

// key is one key of a domain, as Mailgun lists it.
type key struct {
	ID     string // of the key in the record; "" when the record can't be read
	Active bool
}

// keys are those of one domain, by selector; nil for a domain that Mailgun does not have.
type keys map[string]key

// item is a key in an answer of Mailgun.
type item struct {
	SigningDomain string `json:"signing_domain"`
	Selector      string `json:"selector"`
	Record        *struct {
		IsActive *bool  `json:"is_active"`
		Active   *bool  `json:"active"` // so it is called in places
		Value    string `json:"value"`
	} `json:"dns_record"`
}

// id returns that of the key in the record, "" for none.
func (i item) id() string {
	if i.Record == nil {
		return ""
	}
	record, err := dkim.ParseRecord(i.Record.Value)
	if err != nil {
		return ""
	}
	return record.Key.ID()
}

// path returns the address of a domain's keys, or of one.
func path(domain string, more ...string) string {
	p := "/v4/domains/" + url.PathEscape(domain) + "/keys"
	for _, m := range more {
		p += "/" + url.PathEscape(m)
	}
	return p
}

// list asks for the keys of a domain.
func (s *Signer) list(ctx context.Context, what, domain string) (keys, error) {
	a, err := s.call(ctx, endpoint.Call{What: what, Method: http.MethodGet, Path: path(domain)})
	if r := endpoint.RefusalOf(err); r != nil && r.Status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := read(domain, a.Body)
	if err != nil {
		return nil, fault.Temporary(what, err, "see what answers at "+s.client.Host()+"; it is tried again by itself")
	}
	return all, nil
}

// read reads a list. What is not clear is an error: it could be a key that signs.
func read(domain string, body []byte) (keys, error) {
	var answer struct {
		Items  *[]item
		Paging struct{ Next string }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Items == nil {
		return nil, errors.New("the answer of Mailgun is not a list of keys")
	}
	if answer.Paging.Next != "" && len(*answer.Items) > mostKeys {
		return nil, errors.New("the Mailgun service lists more keys of the domain than fit on a page")
	}
	out := keys{}
	for _, i := range *answer.Items {
		selector := strings.ToLower(i.Selector)
		if !strings.EqualFold(i.SigningDomain, domain) {
			continue
		}
		if i.Record == nil || i.Record.IsActive == nil && i.Record.Active == nil || selector == "" {
			return nil, fmt.Errorf("the answer of Mailgun does not say whether the key of selector %q is active",
				endpoint.OneLine([]byte(i.Selector)))
		}
		if _, twice := out[selector]; twice {
			return nil, fmt.Errorf("the Mailgun service lists the selector %q twice", endpoint.OneLine([]byte(i.Selector)))
		}
		active := i.Record.IsActive != nil && *i.Record.IsActive || i.Record.Active != nil && *i.Record.Active
		out[selector] = key{ID: i.id(), Active: active}
	}
	return out, nil
}

// mostKeys is how many keys Mailgun keeps of a domain.
const mostKeys = 5

// active returns the selectors of the active keys, in order.
func (k keys) active() (out []string) {
	for _, selector := range sorted(k) {
		if k[selector].Active {
			out = append(out, selector)
		}
	}
	return out
}

// one returns the active key, the zero Ref for none.
func (k keys) one(signer, domain string) (dkim.Ref, error) {
	switch all := k.active(); len(all) {
	case 0:
		return dkim.Ref{}, nil
	case 1:
		return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: all[0]}, KeyID: k[all[0]].ID}, nil
	default:
		return dkim.Ref{}, fault.Refuse(codes.ForeignSignerLine, fmt.Sprintf(
			"ask what signer %s signs %s with: Mailgun has %d active keys: selectors %s", signer, domain, len(all),
			strings.Join(all, ", ")), "a switch that was cut off is finished by the next one; else deactivate in Mailgun "+
			"the keys that are not dkimbot's")
	}
}

// missing says that Mailgun does not have a domain.
func (s *Signer) missing(what string) error {
	return fault.Lasting(what, fmt.Errorf("the Mailgun service has no such domain in region %s", s.cfg.Region),
		"add the domain in Mailgun, or correct region, or let another signer sign it")
}

// RSAOnly says why it refuses Ed25519 keys, as it is set up.
func (s *Signer) RSAOnly() (why, remedy string) { return s.cfg.RSAOnly() }
