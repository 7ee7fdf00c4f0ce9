package endpoint

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// URL returns the form of the address of a service: https, or http on this machine; in normal form without a slash at
// its end.
func URL(example string) settings.Form {
	like := "write it like " + example
	return settings.Form{Name: "URL", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
			return "", settings.Wrong("is not the address of a web server", like)
		case u.User != nil:
			return "", settings.Wrong("holds a user or a password", "leave it out; credentials have keys of their own")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
			return "", settings.Wrong("holds ? or #", "leave out what begins there; credentials have keys of their own")
		case u.Port() != "" && !settings.IsPort(u.Port()):
			return "", settings.Wrong(fmt.Sprintf("has the port %s, which does not exist", u.Port()),
				"write a port from 1 to 65535")
		case u.Scheme == "http" && !settings.Loopback(u.Hostname()):
			return "", settings.Wrong("is not encrypted, and private keys are sent there",
				"use https; http is for this machine alone")
		}
		return strings.TrimRight(u.String(), "/"), nil
	}}
}

// Word refuses a secret that can't stand in a header.
func Word(text string) *settings.Problem {
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return settings.Wrong("the secret holds white space or characters other than ASCII",
			"check how it was copied; it is one word")
	}
	return nil
}
