package config

import (
	"path/filepath"
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Notify says who is notified of what happens, and who is asked before a switch. What
// is nil or empty is not wanted.
type Notify struct {
	Hooks     Hooks      `json:"hooks"`
	Webhook   *Webhook   `json:"webhook,omitempty"`
	Mail      *Mail      `json:"mail,omitempty"`
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
	Audit     string     `json:"audit,omitempty"`  // path of the audit log
	Memory    string     `json:"memory,omitempty"` // path of the file that remembers what was reported
}

// Fields implements settings.Settings.
func (n *Notify) Fields() []settings.Field {
	group := is("group of keys")
	return []settings.Field{
		{Key: "hooks", Form: group, Meaning: "commands that are run"},
		{Key: "webhook", Form: group, Meaning: "where events are posted as JSON"},
		{Key: "mail", Form: group, Meaning: "who gets events by mail"},
		{Key: "heartbeat", Form: group, Meaning: "what is requested while all is well"},
		{Key: "audit", Form: group, Meaning: "a log with one line for each attempt"},
		{Key: "memory", Into: &n.Memory, Form: settings.Path(), Default: "notices.json beside the state",
			Meaning: "the file that remembers which failures were reported"},
	}
}

// audit is where the audit log is.
type audit struct{ Path string }

// Fields implements settings.Settings.
func (a *audit) Fields() []settings.Field {
	return []settings.Field{{Key: "path", Into: &a.Path, Form: settings.Path(),
		Need: "write where the log is to be kept: path: /var/log/dkimbot/audit.jsonl", Meaning: "the file"}}
}

func readNotify(s *node.Section, st State) Notify {
	if s.Empty() {
		return Notify{}
	}
	n := Notify{Hooks: readHooks(s.Sub("hooks"))}
	webhook, mail, heartbeat, log := usualWebhook(), usualMail(), usualHeartbeat(), audit{}
	if readGroup(s, "webhook", webhook) {
		n.Webhook = webhook
	}
	if readGroup(s, "mail", mail) {
		n.Mail = mail
	}
	if readGroup(s, "heartbeat", heartbeat) {
		n.Heartbeat = heartbeat
	}
	if readGroup(s, "audit", &log) {
		n.Audit = log.Path
	}
	s.Read(&n, nil)
	if n.Memory == "" && (n.Webhook != nil || n.Mail != nil) {
		n.Memory = filepath.Join(filepath.Dir(st.Path), "notices.json")
	}
	s.Done()
	return n
}

// readGroup reads the group of keys that stands at key, and reports whether one does.
func readGroup(s *node.Section, key string, of settings.Settings) bool {
	v, ok := s.Take(key)
	if !ok {
		return false
	}
	sub, ok := v.Section()
	if !ok {
		return false
	}
	sub.Read(of, nil)
	if more, ok := of.(interface{ Further() settings.Settings }); ok {
		if then := more.Further(); then != nil {
			sub.Read(then, nil)
		}
	}
	sub.Done()
	return true
}

func notifyGroups() []Group {
	groups := append([]Group{{Path: "notify", Meaning: "who is notified of what happens, and who is asked before a switch",
		Fields: new(Notify).Fields()}}, hookGroups()...)
	mail := usualMail()
	password := mail.password()
	password.Need = "" // without a username
	return append(groups,
		Group{Path: "notify.webhook", Meaning: "where events are posted as JSON", Fields: usualWebhook().Fields()},
		Group{Path: "notify.mail", Meaning: "who gets events by mail", Fields: slices.Insert(mail.Fields(), 4, password)},
		Group{Path: "notify.heartbeat", Meaning: "what is requested while all is well", Fields: usualHeartbeat().Fields()},
		Group{Path: "notify.audit", Meaning: "a log with one line of JSON for each attempt, also for refused ones",
			Fields: new(audit).Fields()})
}
