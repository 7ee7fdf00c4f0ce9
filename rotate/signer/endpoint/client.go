package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Limits of one request.
const (
	DefaultTimeout = 30 * time.Second
	maxAnswer      = 16 << 20
	maxExcuse      = 64 << 10 // of an answer that says why not
	tries          = 4
	longestWait    = time.Minute // of what a service may ask for by Retry-After
)

// Service is one service, as it is configured.
type Service struct {
	Signer  string        // the signer's name in the configuration
	Called  string        // in messages: "the endpoint"
	URL     string        // in front of the path of each call; in the form of URL
	Key     string        // the key of the configuration that leads to URL; "url" when empty
	CAFile  string        // the authority that signed its certificate; "" for those of the system
	Timeout time.Duration // for one request; DefaultTimeout when 0
	Delay   time.Duration // before the second try, doubled for each further one; a second when 0
	// Login returns the credentials, read again for each request. Its error is a fault.
	Login func() (Login, error)
	// Trust says what to do when it does not take them.
	Trust string
	// Step, where set, is called before each request; its error ends the call.
	Step func(operation string) error
}

// Login is who asks. Without a user the secret is a bearer token.
type Login struct{ User, Secret string }

// Call is one request.
type Call struct {
	What         string // names the attempt in errors
	Method, Path string // Path is appended to the URL
	Header       http.Header
	Body         []byte
	// Once: it is not sent again when it may have been carried out, because it would be carried out twice.
	Once bool
	// Scrub takes what is secret out of what the service said; nil where nothing secret was sent but the login.
	Scrub func(said []byte) []byte
}

// Answer is what a service answered with success.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	of   Service
	http *http.Client
}

// New makes a client. It asks nothing yet.
func New(of Service) (*Client, error) {
	of.Timeout, of.Delay, of.Key = cmp.Or(of.Timeout, DefaultTimeout), cmp.Or(of.Delay, time.Second), cmp.Or(of.Key, "url")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.MaxResponseHeaderBytes = maxExcuse
	if of.CAFile != "" {
		var err error
		if transport.TLSClientConfig.RootCAs, err = Authority(of.CAFile); err != nil {
			return nil, fault.Lasting("set up signer "+of.Signer, err, CorrectAuthority(err))
		}
	}
	return &Client{of: of, http: &http.Client{Transport: transport,
		// keys and credentials are for the configured host alone
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// CorrectAuthority is the way out of an error of Authority.
func CorrectAuthority(err error) string {
	if remedy := safefile.Remedy(err); remedy != "" {
		return "correct ca_file; " + remedy
	}
	return "correct ca_file"
}

// maxAuthority is far above any list of certificates.
const maxAuthority = 1 << 20

// Authority reads certificates from a file that nobody else can write: who can, can have credentials and keys sent
// to a host of his own.
func Authority(path string) (*x509.CertPool, error) {
	f, err := safefile.OpenTrusted(path, maxAuthority)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	defer f.Close()
	data, err := safefile.ReadAll(f, maxAuthority)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("ca_file " + path + " holds no certificate")
	}
	return pool, nil
}

// Do makes the call, and again where that can help. Its errors are faults; where the service answered, a *Refusal is
// in them.
func (c *Client) Do(ctx context.Context, call Call) (Answer, error) {
	delay := c.of.Delay
	for try := 1; ; try++ {
		a, err := c.try(ctx, call)
		if err == nil || try == tries || ctx.Err() != nil || !c.again(call, err) {
			return a, err
		}
		wait := delay
		if r := (*Refusal)(nil); errors.As(err, &r) && r.After > 0 {
			wait = r.After
		}
		if wait > longestWait {
			return a, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return a, err
		}
		delay *= 2
	}
}

// again reports whether to make the call again after an error.
func (c *Client) again(call Call, err error) bool {
	if fault.KindOf(err) != fault.Transient {
		return false
	}
	r := (*Refusal)(nil)
	return !call.Once || errors.As(err, &r) && r.Status == http.StatusTooManyRequests
}

// try makes the call once.
func (c *Client) try(ctx context.Context, call Call) (Answer, error) {
	if c.of.Step != nil {
		if err := c.of.Step(call.Method + " " + call.Path); err != nil {
			return Answer{}, err
		}
	}
	login, err := c.of.Login()
	if err != nil {
		return Answer{}, err
	}
	once, cancel := context.WithTimeout(ctx, c.of.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(once, call.Method, c.of.URL+call.Path, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, fault.Lasting(call.What, err, "report this as a defect")
	}
	for name, values := range call.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "dkimbot")
	if login.User != "" {
		req.SetBasicAuth(login.User, login.Secret)
	} else {
		req.Header.Set("Authorization", "Bearer "+login.Secret)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, c.unanswered(ctx, once, call, login, err)
	}
	defer resp.Body.Close()
	return c.read(ctx, once, call, login, resp)
}

// read reads the answer to the end and judges it.
func (c *Client) read(ctx, once context.Context, call Call, login Login, resp *http.Response) (Answer, error) {
	good, most := resp.StatusCode >= 200 && resp.StatusCode < 300, int64(maxExcuse)
	if good {
		most = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case !good:
		return Answer{}, c.refused(call, login, resp, body)
	case err != nil:
		return Answer{}, c.unanswered(ctx, once, call, login, err)
	case int64(len(body)) > most:
		return Answer{}, fault.Lasting(call.What, fmt.Errorf("%s answers with more than %d MiB", c.of.Called, most>>20),
			"see what answers at "+c.Host())
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Host names the service for people.
func (c *Client) Host() string {
	if u, err := url.Parse(c.of.URL); err == nil {
		return u.Host
	}
	return c.of.Called
}
