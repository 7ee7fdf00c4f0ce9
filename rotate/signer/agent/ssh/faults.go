package ssh

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// ownFailure is how ssh ends when it did not come to the command.
const ownFailure = 255

// notRun is the fault of a connection that brought no answer. said is what ssh and the host wrote on standard error.
func (s *Signer) notRun(what string, err error, said []byte) error {
	if errors.Is(err, exec.ErrNotFound) {
		return s.lasting(codes.CommandMissing, what, err, "install OpenSSH's client on this machine (openssh-client)")
	}
	status := -1
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	}
	if end := child.Tail(said); end != "" {
		err = fmt.Errorf("%w; it said: %s", err, end)
	}
	switch says := func(words string) bool { return bytes.Contains(said, []byte(words)) }; {
	case status == ownFailure && (says("HOST IDENTIFICATION HAS CHANGED") || says("REVOKED HOST KEY")):
		return s.lasting(codes.AgentHostKey, what, fmt.Errorf("host %s has another host key than is known: %w", s.cfg.Host, err),
			"find out on the host's console whether it was installed again (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub); "+
				"only if that is its key, replace its line in the file of known hosts. Nothing was sent to it")
	case status == ownFailure && (says("host key is known") || says("Host key verification failed")):
		return s.lasting(codes.AgentHostKey, what, fmt.Errorf("the host key of %s is not known: %w", s.cfg.Host, err),
			"compare the host's key on its console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), and add it to the "+
				"file of known hosts: ssh-keyscan")
	case status == ownFailure && says("Permission denied ("):
		return s.lasting(codes.AgentLogin, what, fmt.Errorf("host %s does not let dkimbot in: %w", s.cfg.Host, err),
			"see whether the public key stands in authorized_keys of that user, and whether the user that runs dkimbot can "+
				"read identity_file, and nobody else")
	case status == 126 || status == 127:
		return s.lasting(codes.CommandMissing, what, fmt.Errorf("host %s does not find the command: %w", s.cfg.Host, err),
			`install dkimbot there, and write its whole path in authorized_keys: restrict,command="/usr/bin/dkimbot agent --stdio"`)
	case status > 0 && status != ownFailure:
		return fault.Temporary(what, fmt.Errorf("the command on host %s failed: %w", s.cfg.Host, err),
			"run 'dkimbot agent --check' on that host")
	}
	return s.away(what, err)
}

// away is the fault for a host that can't be reached, or whose answer did not come: what it signs with is open.
func (s *Signer) away(what string, err error) error {
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentUnreachable, What: what,
		Err: fmt.Errorf("host %s: %w", s.cfg.Host, err),
		Hint: "it is asked again by itself; until it answers no key is replaced that it may use. To see why, run ssh to it as " +
			"the user that runs dkimbot; where it is only slow, raise timeout; where it is gone for good, take the signer out " +
			"of the domain's signers"}
}

func (s *Signer) lasting(code codes.Code, what string, err error, hint string) error {
	return &fault.Error{Kind: fault.Permanent, Code: code, What: what, Err: err, Hint: hint}
}

// misbehaved is a fault in what the host answered.
func (s *Signer) misbehaved(what string, err error) error {
	hint := "see on host " + s.cfg.Host + " what the forced command runs; it must be 'dkimbot agent --stdio'"
	if errors.Is(err, ErrNewer) {
		hint = "install the same version of dkimbot on this machine and on host " + s.cfg.Host
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentDocument, What: what, Err: err, Hint: hint}
}

// crowded is the fault of a change before which others asked again and again.
func (s *Signer) crowded(what string) error {
	return fault.Temporary(what, errors.New("others asked host "+s.cfg.Host+" at the same time"),
		"it is tried again by itself; see whether a second coordinator uses this host")
}

// several is the fault of a name behind which there are two hosts: one of them would stay behind unseen.
func (s *Signer) several(what string, names []string) error {
	return s.lasting(codes.AgentDocument, what,
		fmt.Errorf("several hosts answer as %s, in turns: %s", s.cfg.Host, strings.Join(names, ", ")),
		"give each of them a signer with a host name of its own, and an own state_dir and name there; then reload or "+
			"restart dkimbot")
}

// problems are what went wrong for single domains of the request.
func (s *Signer) problems(a Answer, r protocol.Request) map[string]error {
	var texts []string
	for _, p := range a.Failed {
		texts = append(texts, p.Error, p.Hint)
	}
	secret, out := r.Holding(texts), map[string]error{}
	for _, e := range r.Domains {
		if p, ok := a.Failed[e.Domain]; ok {
			out[e.Domain] = s.problem(e.Domain+" on host "+s.cfg.Host, p, secret)
		}
	}
	return out
}

// problem is what the host says that went wrong there. secret are the texts that hold a piece of a private key (I9).
func (s *Signer) problem(what string, p Problem, secret map[string]bool) error {
	clean := func(text string) string {
		if secret[text] {
			return "what it says holds a piece of a private key"
		}
		return child.Tail([]byte(text))
	}
	f := &fault.Error{Kind: fault.Transient, What: what, Err: errors.New(clean(p.Error)), Hint: clean(p.Hint)}
	if p.Lasting {
		f.Kind = fault.Permanent
	}
	if f.Hint == "" {
		f.Hint = "run 'dkimbot agent --check' on host " + s.cfg.Host
	}
	return f
}

// printable cuts what a host says of itself.
func printable(text string) string {
	const most = 64
	return oneLine(text[:min(len(text), most)])
}

// oneLine makes one line of what a host says, so that it can't pass for a line of dkimbot's own.
func oneLine(text string) string { return strings.Join(strings.Fields(child.Tail([]byte(text))), " ") }
