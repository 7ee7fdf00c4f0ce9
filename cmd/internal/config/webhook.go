package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Webhook is where notices are posted.
type Webhook struct {
	URL     settings.Secret `json:"url"` // many hold a token
	On      []string        `json:"on"`  // the events that are reported
	Timeout time.Duration   `json:"timeout"`
}

// Heartbeat is what is asked for as long as all is well.
type Heartbeat struct {
	URL     settings.Secret `json:"url"`
	Method  string          `json:"method"` // "GET" or "POST"
	Every   time.Duration   `json:"every"`
	Timeout time.Duration   `json:"timeout"`
}

func usualWebhook() *Webhook {
	return &Webhook{On: slices.Clone(usuallyWanted), Timeout: 10 * time.Second}
}

func usualHeartbeat() *Heartbeat {
	return &Heartbeat{Method: "GET", Every: 5 * time.Minute, Timeout: 10 * time.Second}
}

// Fields implements settings.Settings.
func (w *Webhook) Fields() []settings.Field {
	return []settings.Field{secretURL(&w.URL), wanted(&w.On), patience(&w.Timeout, nil)}
}

// Fields implements settings.Settings.
func (h *Heartbeat) Fields() []settings.Field {
	return []settings.Field{secretURL(&h.URL),
		{Key: "method", Into: &h.Method, Choices: []string{"GET", "POST"}, Meaning: "how it is requested"},
		{Key: "every", Into: &h.Every, Shortest: time.Second, Meaning: "how often"},
		patience(&h.Timeout, nil)}
}

// secretURL is the address of something that speaks HTTP. It is a secret, since
// whoever knows it can often speak in our name, and never shown (I9).
func secretURL(into *settings.Secret) settings.Field {
	return settings.Field{Key: "url", Into: into, Need: "give url_file or url_env", Check: webAddress,
		Meaning: "the address; it is kept secret, since many hold a token"}
}

func webAddress(text string) *settings.Problem {
	switch u, err := url.Parse(text); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return settings.Wrong("is not the address of a web server", "write it like https://hooks.example.com/...")
	case u.Port() != "" && !settings.IsPort(u.Port()):
		return settings.Wrong("has a port that does not exist", "write a port from 1 to 65535, or none")
	case u.Scheme == "http" && !settings.Loopback(u.Hostname()):
		p := settings.Wrong("what is sent would travel unencrypted, with all that the address holds", "use https")
		p.Warning = true
		return p
	}
	return nil
}

// The events that a webhook and mail can hear of.
var (
	noticeEvents  = []string{"failed", "refused", "switched", "rotated"}
	usuallyWanted = []string{"failed", "refused", "rotated"}
)

// wanted is the events that are reported.
func wanted(into *[]string) settings.Field {
	return settings.Field{Key: "on", Into: (*eventList)(into), Form: is("list of " + strings.Join(noticeEvents, ", ")),
		Default: "[" + strings.Join(usuallyWanted, ", ") + "]", Meaning: "the events that are reported"}
}

// eventList is a list of events.
type eventList []string

// ReadValue implements node.Reader.
func (l *eventList) ReadValue(v node.Value) {
	events, at := v.Texts()
	for i, e := range events {
		if !slices.Contains(noticeEvents, e) {
			at[i].Fail(settings.Unknown("event", e, noticeEvents))
		}
	}
	if items, ok := v.List(); ok && len(items) == 0 {
		v.Fail("is an empty list", "leave it out to hear of "+strings.Join(usuallyWanted, ", "))
	}
	*l = events
}
