package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check says what is to be asked so that everybody can be informed. Nothing is sent: hooks are not run, and of the
// receivers of notices only the way to them is tried, for mail with the login.
func (c Config) Check() []preflight.Part {
	var parts []preflight.Part
	for where, hooks := range map[string][]Hook{"before_switch": c.BeforeSwitch, "after": c.After,
		"on_failure": c.OnFailure} {
		for _, h := range hooks {
			parts = append(parts, preflight.Part{Kind: "hook", Name: where, Questions: []preflight.Question{h.runs(where)}})
		}
	}
	if c.Audit != "" {
		parts = append(parts, preflight.Part{Kind: "audit", Name: "log", Questions: c.adds()})
	}
	if w := c.Webhook; w != nil {
		parts = append(parts, reachable("webhook", w.URL, w.Timeout))
	}
	if m := c.Mail; m != nil {
		parts = append(parts, part("mail", m.Server, "login", m.check))
	}
	if h := c.Heartbeat; h != nil {
		parts = append(parts, reachable("heartbeat", h.URL, h.Timeout))
	}
	return parts
}

// BeforeSwitches returns what has to be so that a switch begins: a hook that can't be run is a veto, and the audit log
// has to show the switch first.
func (c Config) BeforeSwitches() (all []preflight.Question) {
	for _, h := range c.BeforeSwitch {
		all = append(all, h.runs("before_switch"))
	}
	if c.Audit != "" {
		all = append(all, c.adds()...)
	}
	return all
}

// runs asks whether a hook's command can be run.
func (h Hook) runs(where string) preflight.Question {
	return preflight.Question{What: "command " + h.Command[0], Ask: func(context.Context) error {
		return preflight.Command("run the hook", h.Command, "notify.hooks."+where)
	}}
}

// adds asks whether a line can be added to the audit log: who only plans need not have the right.
func (c Config) adds() []preflight.Question {
	ask := func(what string, rights bool, wrong func() error) preflight.Question {
		return preflight.Question{What: what, Rights: rights, Disk: rights, Ask: func(context.Context) error {
			err := wrong()
			if err == nil {
				return nil
			}
			return &fault.Error{Kind: fault.Refused, Code: codes.NotWritable, What: "add to the audit log", Err: err,
				Hint: (&audit{path: c.Audit}).remedy(err) + "; no switch begins meanwhile"}
		}}
	}
	there := ask("place of "+c.Audit, false, func() error {
		dir, err := os.Stat(filepath.Dir(c.Audit))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return err // it is not made for the log
		case err == nil && !dir.IsDir():
			return fmt.Errorf("%s is no directory", filepath.Dir(c.Audit))
		}
		if info, err := os.Stat(c.Audit); err == nil && !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", c.Audit)
		}
		return nil
	})
	right := ask("right to add to "+c.Audit, true, func() error {
		if err := safefile.MayAppend(c.Audit); err != nil {
			return err
		}
		dir, name, err := safefile.Parent(c.Audit)
		if err != nil {
			return err
		}
		defer dir.Close()
		return dir.MayLock(name) // it is refused as a file or link of others
	})
	right.Needs = there.What
	return []preflight.Question{there, right}
}

func part(kind, name, what string, ask func(context.Context) error) preflight.Part {
	return preflight.Part{Kind: kind, Name: name, Questions: []preflight.Question{{What: what, Ask: ask}}}
}

// check greets the mail server and logs in, and sends no letter.
func (m *Mail) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.Timeout)
	defer cancel()
	d := &delivery{Mail: m}
	client, hangUp, err := d.connect(ctx)
	if err == nil {
		defer hangUp()
		if err = d.login(client); err == nil {
			return client.Quit()
		}
	}
	return unreachable("log in to the mail server", "notify.mail", d.problem(ctx, err))
}

func unreachable(what, key string, err error) error {
	return &fault.Error{Kind: fault.Transient, Code: codes.Unreachable, What: what, Err: err,
		Hint: "correct " + key + " in the configuration, or see what is wrong there; keys are rotated anyway, " +
			"but no notice is sent"}
}

// reachable tries the way to an address that is a secret: no more of it is shown than its host.
func reachable(kind string, address func() (string, error), timeout time.Duration) preflight.Part {
	return part(kind, "address", "can be reached", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		host, err := reach(ctx, address)
		if err == nil {
			return nil
		}
		if host != "" {
			err = fmt.Errorf("%s: %w", host, err)
		}
		return unreachable("reach the "+kind, "notify."+kind, err)
	})
}

// reach connects to the web server of an address, or to the proxy that leads there, and sends no request.
func reach(ctx context.Context, address func() (string, error)) (host string, err error) {
	text, err := address()
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("the address is not one of a web server")
	}
	host = u.Host
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	if err != nil {
		return host, fmt.Errorf("the proxy of the environment can't be used")
	}
	if proxy != nil {
		u = proxy
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	to := net.JoinHostPort(u.Hostname(), port)
	var conn net.Conn
	if u.Scheme == "https" {
		conn, err = (&tls.Dialer{Config: &tls.Config{ServerName: u.Hostname()}}).DialContext(ctx, "tcp", to)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", to)
	}
	if err != nil {
		return host, err
	}
	return host, conn.Close()
}
