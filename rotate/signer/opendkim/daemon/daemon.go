package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// signals are what reload_signal can be. SIGUSR1 makes every OpenDKIM read its tables again.
var signals = map[string]syscall.Signal{"usr1": syscall.SIGUSR1, "hup": syscall.SIGHUP}

// Usual is where Debian's opendkim.conf has the pid file.
const Usual = "/run/opendkim/opendkim.pid"

// maxProgram bounds how large OpenDKIM's program may be.
const maxProgram = 256 << 20

// Daemon is the OpenDKIM of a signer. It is safe for concurrent use.
type Daemon struct {
	Signer    string // its name, in messages
	PIDFile   string
	Signal    string // "usr1" or "hup"
	rehearsed rehearsals
}

// process is a running opendkim.
type process struct {
	*os.Process        // by a handle: it is never another process with the same number
	program     string // what runs it, also after an upgrade that has replaced it
}

// find finds the daemon that the pid file names.
func (d *Daemon) find() (*process, error) {
	data, err := safefile.Read(d.PIDFile, 64)
	if err != nil {
		return nil, d.fault(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid < 2 {
		return nil, d.fault(errors.New("it holds no number of a process")) // and is not quoted: its owner may have linked it
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil, d.fault(fmt.Errorf("process %d: %w", pid, err))
	}
	program := fmt.Sprintf("/proc/%d/exe", pid)
	if err = isOpenDKIM(program); ended(p) { // the number may be another's by now
		err = os.ErrProcessDone
	}
	if err != nil {
		p.Release()
		return nil, d.fault(fmt.Errorf("process %d: %w", pid, err))
	}
	return &process{p, program}, nil
}

func ended(p *os.Process) bool { return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) }

// isOpenDKIM refuses a program that is no opendkim, or that others than root and dkimbot's user could have put there.
func isOpenDKIM(program string) error {
	path, err := os.Readlink(program)
	if err != nil {
		return err
	}
	path = strings.TrimSuffix(path, " (deleted)") // after an upgrade, until the daemon is restarted
	if filepath.Base(path) != "opendkim" {
		return fmt.Errorf("it is no opendkim, but runs %s", path)
	}
	f, err := safefile.OpenTrusted(path, maxProgram)
	if err != nil {
		return err
	}
	return f.Close()
}

func (d *Daemon) fault(err error) error {
	return fault.Temporary(fmt.Sprintf("signal the opendkim of signer %s that %s names", d.Signer, d.PIDFile), err,
		"see whether the daemon runs, whether pid_file in the configuration is opendkim.conf's PidFile, and whether "+
			"dkimbot runs as root; or write reload: [systemctl, reload, opendkim] in place of reload_signal")
}

// Check finds what would keep Reload from its work, and a signal that would end the daemon.
func (d *Daemon) Check() error {
	p, err := d.signalled()
	if err != nil {
		return err
	}
	return p.Release()
}

// Reload makes the daemon read its tables again, and sees that it lives on.
func (d *Daemon) Reload() error {
	p, err := d.signalled()
	if err != nil {
		return err
	}
	defer p.Release()
	if err := p.Signal(signals[d.Signal]); err != nil {
		return d.fault(fmt.Errorf("process %d: %w", p.Pid, err))
	}
	for range 6 {
		time.Sleep(50 * time.Millisecond)
		_, err := os.Readlink(p.program) // a process that has ended and was not reaped has none
		if ended(p.Process) || err != nil {
			return fault.Temporary(fmt.Sprintf("send SIG%s to the opendkim of signer %s", strings.ToUpper(d.Signal), d.Signer),
				fmt.Errorf("process %d has ended", p.Pid),
				"start the daemon (systemctl start opendkim), and write reload: [systemctl, reload, opendkim] "+
					"in place of reload_signal")
		}
	}
	return nil
}
