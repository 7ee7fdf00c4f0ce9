package ssh

import (
	"strconv"
	"time"
)

// Config says which host it is, and how it is reached.
type Config struct {
	Name           string        // of the signer, in messages
	Agent          string        // its name in the host's configuration
	Host           string        // as OpenSSH takes it
	User           string        // "" for the one that OpenSSH chooses
	Port           int           // 0 for the one that OpenSSH chooses
	Identity       string        // absolute path of the private key of the login, "" for what OpenSSH finds
	KnownHosts     string        // absolute path, "" for OpenSSH's own
	File           string        // absolute path of ssh_config, "" for OpenSSH's own
	ConnectTimeout time.Duration // for the connection
	Timeout        time.Duration // for connection, work and answer
	Lag            time.Duration
}

// program is OpenSSH's client, which PATH finds.
const program = "ssh"

// command is what is asked for; a forced command runs in its place. Without one a login shell would take the document,
// with private keys, for commands.
const command = "dkimbot agent --stdio"

// Argv returns the program and its arguments. What OpenSSH's files say comes after these: they can't turn the check of
// host keys off, forward anything, ask questions or leave a process behind.
func (c Config) Argv() []string {
	argv := []string{program, "-T", "-a", "-x"}
	if c.File != "" {
		argv = append(argv, "-F", c.File)
	}
	for _, o := range []string{
		"BatchMode=yes", "StrictHostKeyChecking=yes", "VerifyHostKeyDNS=no", "UpdateHostKeys=no",
		"NoHostAuthenticationForLocalhost=no", "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes",
		"Tunnel=no", "PermitLocalCommand=no", "RequestTTY=no", "EscapeChar=none", "ControlMaster=no", "ControlPath=none",
		"ForkAfterAuthentication=no", "StdinNull=no", "SessionType=default", "ConnectionAttempts=1", "LogLevel=ERROR",
		"ConnectTimeout=" + strconv.Itoa(max(1, int(c.ConnectTimeout.Round(time.Second)/time.Second))),
		"ServerAliveInterval=15", "ServerAliveCountMax=3",
	} {
		argv = append(argv, "-o", o)
	}
	if c.KnownHosts != "" {
		argv = append(argv, "-o", "UserKnownHostsFile="+c.KnownHosts, "-o", "GlobalKnownHostsFile=none",
			"-o", "KnownHostsCommand=none")
	}
	if c.Identity != "" {
		argv = append(argv, "-i", c.Identity, "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none")
	}
	if c.Port != 0 {
		argv = append(argv, "-p", strconv.Itoa(c.Port))
	}
	if c.User != "" {
		argv = append(argv, "-l", c.User)
	}
	return append(argv, "--", c.Host, command)
}
