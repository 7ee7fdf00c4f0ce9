package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// cloudflareURL is the base of all requests that the module makes.
const cloudflareURL = "https://api.cloudflare.com/client/v4"

// cloudflareClient carries the module's requests. What is not a plain success it
// returns as a typed error, because the module makes text of it or, for an answer
// that is not JSON, a complaint about a character.
type cloudflareClient struct {
	base string // in place of cloudflareURL
	http *http.Client
}

// Do sends the request and reads the whole answer.
func (c *cloudflareClient) Do(req *http.Request) (*http.Response, error) {
	if err := c.redirect(req); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if err := judge(req, resp, body); err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

const maxAnswer = 4 << 20

func (c *cloudflareClient) redirect(req *http.Request) error {
	u, err := url.Parse(c.base + strings.TrimPrefix(req.URL.String(), cloudflareURL))
	if err != nil {
		return err
	}
	req.URL, req.Host = u, u.Host
	return nil
}

// judge returns an error unless the answer is one that the module may act upon.
func judge(req *http.Request, resp *http.Response, body []byte) error {
	var envelope struct {
		Success bool
		Errors  []cloudflareMessage
		Result  json.RawMessage
	}
	e := &cloudflareError{status: resp.StatusCode, after: retryAfter(resp.Header, time.Now())}
	if err := json.Unmarshal(body, &envelope); err != nil {
		e.noise = true
		return e
	}
	if resp.StatusCode >= 400 || !envelope.Success || len(envelope.Errors) > 0 {
		e.messages = envelope.Errors
		return e
	}
	if req.Method != http.MethodGet {
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(envelope.Result, &list); err != nil || list == nil {
		e.noise = true
		return e
	}
	if err := count(req, len(list)); err != nil {
		return err
	}
	return compare(req, list)
}

// written is the key of the record that a request's context belongs to.
type written struct{}

// compare refuses to replace a record that dkimbot did not make (I6). The service has no
// way to compare and set: this is its answer directly before the change.
func compare(req *http.Request, list []json.RawMessage) error {
	rec, ok := req.Context().Value(written{}).(dkim.TXT)
	if !ok || !strings.HasSuffix(req.URL.Path, "/dns_records") {
		return nil
	}
	for _, text := range list {
		var r struct{ Type, Content string }
		if err := json.Unmarshal(text, &r); err != nil || r.Type != "TXT" {
			continue
		}
		if v := unquoteTXT(r.Content); !mayReplace(rec, v) {
			return foreignRecord([]string{v})
		}
	}
	return nil
}

// count looks at how many things a look-up has found.
func count(req *http.Request, n int) error {
	switch path := req.URL.Path; {
	case strings.HasSuffix(path, "/dns_records") && n > 1:
		return refused(codes.SeveralRecords, fmt.Errorf("%d TXT records stand there", n),
			"remove those that are not dkimbot's; it never chooses, and has changed nothing")
	case strings.HasSuffix(path, "/zones") && n == 0:
		return permanent(fmt.Errorf("the API token sees no zone of that name"),
			"give the token Zone:Read and DNS:Edit for the zone, or the domain the right provider or zone")
	case strings.HasSuffix(path, "/zones") && n > 1:
		return permanent(fmt.Errorf("the API token sees %d zones of that name", n),
			"use a token of the account that holds the active zone")
	}
	return nil
}

type cloudflareMessage struct {
	Code    int
	Message string
	Chain   []cloudflareMessage `json:"error_chain"`
}

// cloudflareError is an answer other than success.
type cloudflareError struct {
	status   int
	noise    bool // the answer is not in the service's format
	messages []cloudflareMessage
	after    time.Duration
}

func (e *cloudflareError) Error() string {
	text := fmt.Sprintf("HTTP %d %s", e.status, http.StatusText(e.status))
	if e.noise {
		return text + ", not in the format of the API"
	}
	for _, m := range e.messages {
		text += fmt.Sprintf("; %d: %.300s", m.Code, m.Message)
		for _, c := range m.Chain {
			text += fmt.Sprintf(" (%d: %.300s)", c.Code, c.Message)
		}
	}
	return text
}

// has reports whether one of the messages carries one of the codes.
func (e *cloudflareError) has(codes ...int) bool {
	return slices.ContainsFunc(e.messages, func(m cloudflareMessage) bool { return slices.Contains(codes, m.Code) })
}

// retryAfter reads Retry-After, RFC 9110 section 10.2.3: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil {
		return time.Duration(max(n, 0)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
