package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/dkimbot/dkimbot/rotate/calendar"
)

// Webhook says where documents are posted.
type Webhook struct {
	URL     func() (string, error) // read for each attempt, and never shown
	On      []string               // the events that are reported
	Timeout time.Duration          // for one attempt
}

// request asks for a URL that is a secret: no error holds more of it than its host.
type request struct {
	client *http.Client
	method string
	url    func() (string, error)
}

func newClient() *http.Client {
	return &http.Client{
		Transport: http.DefaultTransport.(*http.Transport).Clone(),
		// a redirected POST loses its body
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send sends the document as the body, unless the method has none. A
// *backoff.PermanentError says that sending it again can't help.
func (r request) send(ctx context.Context, d Document) error {
	address, err := r.url()
	if err != nil {
		return err
	}
	var body io.Reader
	if r.method != http.MethodGet {
		text, err := json.Marshal(d)
		if err != nil {
			return backoff.Permanent(err)
		}
		body = bytes.NewReader(append(text, '\n'))
	}
	req, err := http.NewRequestWithContext(ctx, r.method, address, body)
	if err != nil {
		return backoff.Permanent(errors.New("the address is not one of a web server"))
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", "dkimbot")
	resp, err := r.client.Do(req)
	if err != nil {
		return r.unanswered(ctx, req.URL.Host, err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection serves again
	return answered(req.URL.Host, resp)
}

// unanswered says why there was no answer, without the address.
func (r request) unanswered(ctx context.Context, host string, err error) error {
	if whole := (*url.Error)(nil); errors.As(err, &whole) {
		err = whole.Err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = errors.New("no answer in time")
	}
	return fmt.Errorf("%s %s: %w", r.method, host, err)
}

// answered says what an answer means (RFC 9110 section 15).
func answered(host string, resp *http.Response) error {
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	err := fmt.Errorf("%s answers %d %s", host, resp.StatusCode, http.StatusText(resp.StatusCode))
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
	default:
		if resp.StatusCode < 500 {
			return backoff.Permanent(err)
		}
	}
	const longest = 3600
	if after, e := strconv.Atoi(resp.Header.Get("Retry-After")); e == nil && after > 0 {
		return waitError{err, backoff.RetryAfter(min(after, longest)).(*backoff.RetryAfterError)}
	}
	return err
}

// waitError is an answer that asks to wait. It tells package backoff for how long, and people in our own words.
type waitError struct {
	answer error
	wait   *backoff.RetryAfterError
}

// Error says what the answer was, and for how long it asks to wait.
func (e waitError) Error() string {
	return fmt.Sprintf("%v, and asks to wait for %s", e.answer, calendar.Span(e.wait.Duration))
}

// Unwrap returns the answer, and the wait that package backoff looks for.
func (e waitError) Unwrap() []error { return []error{e.answer, e.wait} }
