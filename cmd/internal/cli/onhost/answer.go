package onhost

import (
	"context"
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh/stdio"
)

// fits returns why what is asked of the agent is not what its configuration is for.
func (a *onHost) fits(answer, check bool) error {
	bySSH := a.cfg.Via == agent.ViaSSH
	if bySSH == answer || check {
		return nil
	}
	if bySSH {
		return fault.Lasting("run the agent of "+a.cfg.File, errors.New("the configuration says via: ssh"),
			"sshd runs this agent when the coordinator connects: write 'dkimbot agent --stdio' as the forced command in "+
				"authorized_keys")
	}
	return fault.Lasting("serve a request of "+a.cfg.File, errors.New("the configuration does not say via: ssh"),
		"write via: ssh, and take keystore out, where the coordinator connects to this host by ssh")
}

// longestAnswer bounds the work for one request: a coordinator waits no longer for it.
const longestAnswer = 5 * time.Minute

// answer serves one request of the coordinator.
func (a *onHost) answer(ctx context.Context, p *console.Program) error {
	// sshd gives the command that was asked for to the one that it runs in its place.
	h := &stdio.Host{Agent: a.cfg.Name, Name: a.host.Name, Version: console.Version(),
		Forced: p.Env("SSH_ORIGINAL_COMMAND") != "", Domains: a.cfg.Domains,
		Memory: &stdio.Directory{Path: a.cfg.StateDir}, Signer: a.host.Signer, Now: machine.Clock{}.Now}
	ctx, cancel := context.WithTimeout(ctx, longestAnswer)
	defer cancel()
	return h.Serve(ctx, p.In, p.Out)
}
