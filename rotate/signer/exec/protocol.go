package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const formatVersion = 1

type request struct {
	FormatVersion int     `json:"format_version"`
	Action        string  `json:"action"`
	Signer        string  `json:"signer"` // the name in the configuration
	Domains       []entry `json:"domains"`
}

type entry struct {
	Domain     string `json:"domain"`
	Selector   string `json:"selector,omitempty"`
	KeyID      string `json:"key_id,omitempty"`
	Record     string `json:"record,omitempty"`
	PrivateKey string `json:"private_key,omitempty"`
}

type answer struct {
	Active map[string]signs `json:"active"`
}

// signs is what a domain is signed with.
type signs struct {
	Selector string `json:"selector"`
	KeyID    string `json:"key_id"`
}

// keyID is the form of a key id.
var keyID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check refuses what is not a selector in normal form, and a key id, which may be missing. The error
// does not quote it: a command that mixes up the fields may have put a private key there (I9).
func (a signs) check(domain string, r request) error {
	name := dkim.Name{Domain: domain, Selector: a.Selector}
	if a.Selector == "" {
		return errors.New(`it has no "selector"`)
	}
	if name.Check() != nil || r.holds(a.Selector) {
		return fmt.Errorf(`the "selector" in it (%d octets) is not a selector in lower case`, len(a.Selector))
	}
	if a.KeyID != "" && !keyID.MatchString(a.KeyID) || r.holds(a.KeyID) {
		return fmt.Errorf(`the "key_id" in it (%d octets) is not a key id, 64 hexadecimal digits in lower case`, len(a.KeyID))
	}
	return nil
}

// subject names the request's domains for people.
func (r request) subject() string {
	if len(r.Domains) == 1 {
		return r.Domains[0].Domain
	}
	return fmt.Sprintf("%d domains", len(r.Domains))
}

func (r request) environment(name string) []string {
	env := []string{"DKIMBOT_ACTION=" + r.Action, "DKIMBOT_SIGNER=" + name}
	if len(r.Domains) != 1 {
		return env
	}
	for variable, value := range map[string]string{"DOMAIN": r.Domains[0].Domain, "SELECTOR": r.Domains[0].Selector,
		"KEY_ID": r.Domains[0].KeyID} {
		if value != "" {
			env = append(env, "DKIMBOT_"+variable+"="+value)
		}
	}
	return env
}

// ask runs the command and reads its answer.
func (s *Signer) ask(ctx context.Context, what string, r request) (answer, error) {
	out, err := s.run(ctx, what, r)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if len(bytes.TrimSpace(out)) == 0 {
		return answer{}, s.misbehaved(what, errors.New("the command wrote nothing on standard output"))
	}
	// The answer itself is not quoted: it may hold the request, and so a key.
	if err := json.Unmarshal(out, &a); err != nil {
		return answer{}, s.misbehaved(what,
			fmt.Errorf("the command's standard output (%d octets) is not the JSON document that is wanted", len(out)))
	}
	if a.Active == nil {
		return answer{}, s.misbehaved(what, errors.New(`the command's answer has no "active"`))
	}
	return a, nil
}

// run runs the command, one run at a time.
func (s *Signer) run(ctx context.Context, what string, r request) ([]byte, error) {
	select {
	case s.one <- struct{}{}:
		defer func() { <-s.one }()
	case <-ctx.Done():
		return nil, fault.Temporary(what, context.Cause(ctx),
			"see what holds the command up; it is run once at a time, and tried again by itself")
	}
	r.FormatVersion, r.Signer = formatVersion, s.cfg.Name
	slices.SortFunc(r.Domains, func(a, b entry) int { return strings.Compare(a.Domain, b.Domain) })
	input, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Lasting(what, err, "report this as a defect")
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Command, Env: r.environment(s.cfg.Name), Stdin: input,
		Timeout: s.cfg.Timeout})
	if err == nil {
		return res.Stdout, nil
	}
	if said := child.Tail(r.scrub(res.Stderr)); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return nil, s.notRun(what, err)
}
