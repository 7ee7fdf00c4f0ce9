package endpoint

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Refusal is an answer other than success.
type Refusal struct {
	Called string        // who answered
	Status int           // of HTTP
	Said   string        // what it said, in one line, without secrets
	Body   []byte        // the same, whole, for a program to read
	After  time.Duration // it asks to be left alone for so long
}

// Error says what the service answered.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("%s answers %d %s", r.Called, r.Status, http.StatusText(r.Status))
	if r.After > longestWait {
		text += fmt.Sprintf(", and asks to wait for %s", calendar.Span(r.After.Round(time.Second)))
	}
	if r.Said != "" {
		text += "; it says: " + r.Said
	}
	return text
}

// RefusalOf returns the answer that an error of Do is about; nil when there was none.
func RefusalOf(err error) *Refusal {
	r := (*Refusal)(nil)
	errors.As(err, &r)
	return r
}

// refused says what an answer means (RFC 9110 section 15).
func (c *Client) refused(call Call, login Login, resp *http.Response, body []byte) error {
	clean := call.clean(login, body)
	r := &Refusal{Called: c.of.Called, Status: resp.StatusCode, Said: OneLine(clean), Body: clean,
		After: retryAfter(resp.Header, time.Now())}
	seeWhy := fmt.Sprintf("see why in what it says, or in the log of %s", c.Host())
	switch status := resp.StatusCode; {
	case status >= 300 && status < 400:
		hint := "write the address that answers itself as url: keys are sent to no other host than the configured one"
		if c.of.Key != "url" {
			hint = fmt.Sprintf("check %s in the configuration, and whether it is %s that answers at %s: keys are sent to no other "+
				"host", c.of.Key, c.of.Called, c.Host())
		}
		return fault.Lasting(call.What, fmt.Errorf("%w, a redirect to %s", r, target(resp)), hint)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.Lasting(call.What, r, c.of.Trust)
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fault.Lasting(call.What, r, "check "+c.of.Key+" in the configuration, and "+seeWhy)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500:
		return fault.Temporary(call.What, r, "it is tried again by itself; if it does not pass, "+seeWhy)
	}
	return fault.Lasting(call.What, r, seeWhy)
}

// target names where a redirect leads, without what may be secret in it.
func target(resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "nowhere"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// unanswered says why there is no answer, or no whole one.
func (c *Client) unanswered(ctx, once context.Context, call Call, login Login, err error) error {
	if whole := (*url.Error)(nil); errors.As(err, &whole) {
		err = whole.Err
	}
	check := (*tls.CertificateVerificationError)(nil)
	switch {
	case ctx.Err() != nil:
		return fault.Interrupted(call.What, context.Cause(ctx))
	case errors.As(err, &check):
		return fault.Lasting(call.What, fmt.Errorf("the certificate of %s: %w", c.Host(), err),
			"name the authority that signed it as ca_file, or correct the host in url")
	case once.Err() != nil:
		err = fmt.Errorf("%s gave no whole answer within %s", c.Host(), c.of.Timeout)
	default: // what is not HTTP is quoted, and may be what was sent
		err = fmt.Errorf("%s gave no answer: %s", c.Host(), OneLine(call.clean(login, []byte(err.Error()))))
	}
	return fault.Temporary(call.What, err, "see whether it runs and whether url in the configuration is its address")
}

// shownMost is how much of what a service says is shown.
const shownMost = 300

// OneLine returns the beginning of what a service said, for people.
func OneLine(said []byte) string {
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(said), "?"),
		func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	if len(line) > shownMost {
		line = strings.ToValidUTF8(line[:shownMost], "") + " ..."
	}
	return line
}

// clean takes out of a text what is secret (I9).
func (call Call) clean(login Login, text []byte) []byte {
	text = login.scrub(text)
	if call.Scrub != nil {
		text = call.Scrub(text)
	}
	return text
}

// scrub takes the credentials out of what a service said (I9).
func (l Login) scrub(said []byte) []byte {
	text := string(said)
	for _, secret := range []string{base64.StdEncoding.EncodeToString([]byte(l.User + ":" + l.Secret)), l.Secret} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[...]")
		}
	}
	return []byte(text)
}

// retryAfter reads Retry-After, RFC 9110 section 10.2.3: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
