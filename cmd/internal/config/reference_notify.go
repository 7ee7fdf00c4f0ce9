package config

import (
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

func notifyGroups() []Group {
	events := settings.Field{Key: "on", Form: is("list of " + strings.Join(noticeEvents, ", ")), Default: "[" +
		strings.Join(usuallyWanted, ", ") + "]", Meaning: "the events that are told"}
	after := func(d time.Duration) settings.Field {
		return settings.Field{Key: "timeout", Into: &d, Meaning: "how long one try may take"}
	}
	url := settings.Field{Key: "url", Into: new(settings.Secret),
		Need: "needed", Meaning: "the address; it is kept secret, since many hold a token"}
	get, hooks := "GET", is("list")
	groups := []Group{
		{Path: "notify", Meaning: "who is told of what happens, and who is asked before a switch", Fields: []settings.Field{
			{Key: "hooks", Form: is("group of keys"), Meaning: "commands that are run"},
			{Key: "webhook", Form: is("group of keys"), Meaning: "where events are posted as JSON"},
			{Key: "mail", Form: is("group of keys"), Meaning: "who gets events by mail"},
			{Key: "heartbeat", Form: is("group of keys"), Meaning: "what is requested while all is well"},
			{Key: "audit", Form: is("group of keys"), Meaning: "a log with one line for each attempt"},
			{Key: "memory", Form: settings.Path(), Default: "notices.json beside the state",
				Meaning: "the file that remembers which failures were told"},
		}},
		{Path: "notify.hooks", Meaning: "commands, each with its time-out", Fields: []settings.Field{
			{Key: "before_switch", Form: hooks,
				Meaning: "asked before a switch starts; each of them can veto it; together they may take 4m"},
			{Key: "after", Form: hooks, Meaning: "run after each finished switch and rotation"},
			{Key: "on_failure", Form: hooks, Meaning: "run after each failed or refused attempt"},
		}},
	}
	for _, path := range []string{"before_switch", "after", "on_failure"} {
		groups = append(groups, Group{Path: "notify.hooks." + path + "[]", Meaning: "one command", Fields: []settings.Field{
			{Key: "command", Into: new([]string), Need: "needed", Meaning: "program and arguments"}, after(30 * time.Second)}})
	}
	return append(groups,
		Group{Path: "notify.webhook", Meaning: "where events are posted as JSON",
			Fields: []settings.Field{url, events, after(10 * time.Second)}},
		mailGroup(events, after(30*time.Second)),
		Group{Path: "notify.heartbeat", Meaning: "what is requested while all is well", Fields: []settings.Field{url,
			{Key: "method", Into: &get, Choices: []string{"GET", "POST"}, Meaning: "how it is requested"},
			{Key: "every", Form: is("duration"), Default: "5m", Meaning: "how often"}, after(10 * time.Second)}},
		Group{Path: "notify.audit", Meaning: "a log with one line of JSON for each attempt, also for refused ones",
			Fields: []settings.Field{
				{Key: "path", Form: settings.Path(), Need: "needed", Meaning: "the file"}}})
}

func mailGroup(events, timeout settings.Field) Group {
	return Group{Path: "notify.mail", Meaning: "who gets events by mail", Fields: []settings.Field{
		{Key: "smtp", Form: is("host:port"), Need: "needed", Meaning: "the mail server; port 25 unless it names another"},
		{Key: "tls", Choices: mailTLS, Default: "required with a username, implicit at port 465, else offered",
			Meaning: "whether the connection is encrypted"},
		{Key: "ca_file", Form: settings.Path(), Default: "the system's",
			Meaning: "the certificates that the server's must lead to"},
		{Key: "username", Meaning: "the name to log in with"},
		{Key: "password", Into: new(settings.Secret), Meaning: "the password; needed with a username"},
		{Key: "from", Form: is("address"), Need: "needed", Meaning: "the sender"},
		{Key: "to", Form: is("list of addresses"), Need: "needed", Meaning: "the recipients"},
		events, timeout,
	}}
}
