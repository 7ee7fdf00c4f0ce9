package cli_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// I8: of several processes that apply one plan at the same moment, one does it,
// also when there was no state before.
func TestApplyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.serve(t)
	l.run(t, "plan", "--out", "plan.json").want(t, 0)
	const many = 6
	cmds, outs := make([]*exec.Cmd, many), make([]bytes.Buffer, many)
	var wg sync.WaitGroup
	for i := range many {
		cmds[i] = l.command("apply", "plan.json")
		cmds[i].Stdout, cmds[i].Stderr = &outs[i], &outs[i]
		wg.Go(func() { _ = cmds[i].Run() })
	}
	wg.Wait()
	done := 0
	for i := range many {
		switch out := outs[i].String(); cmds[i].ProcessState.ExitCode() {
		case 0:
			done++
			if strings.Count(out, "can't be applied again") != 1 {
				t.Errorf("it ended well without doing it:\n%s", out)
			}
		case 3:
			if !strings.Contains(out, "refused: ") || strings.Contains(out, "  done ") {
				t.Errorf("it was refused and did something:\n%s", out)
			}
		default:
			t.Errorf("it ended with %d:\n%s", cmds[i].ProcessState.ExitCode(), out)
		}
	}
	if done != 1 {
		t.Errorf("%d of them did it", done)
	}
	if n := strings.Count(l.run(t, "history").want(t, 0).out, " applied "); n != 1 {
		t.Errorf("the history says %d times that it was applied", n)
	}
	l.wantSound(t, "example.test")
}

// I7: Ctrl-C, or a kill, at any time of an apply. What was begun is carried on by
// rotate --due; what was not can be applied still; in the end all is sound.
func TestApplyInterruptedAnywhere(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL} {
		for after := time.Duration(0); after < 2*time.Second; after += 250 * time.Millisecond {
			t.Run(fmt.Sprintf("%s after %s", sig, after), func(t *testing.T) {
				t.Parallel()
				l := newLab(t, "a.test", "b.test").plain()
				l.run(t, "plan", "--out", "plan.json").want(t, 0)
				cmd := l.command("apply", "plan.json")
				var said bytes.Buffer
				cmd.Stdout, cmd.Stderr = &said, &said
				must(t, cmd.Start())
				time.Sleep(after) // the point in time is what is tried; any is good
				cmd.Process.Signal(sig)
				cmd.Wait()
				switch code := cmd.ProcessState.ExitCode(); {
				case code == 0, code == -1:
				case code == 1 && strings.Contains(said.String(),
					"Interrupted; the step in progress was finished, and nothing is lost. Not finished yet: ") &&
					strings.HasSuffix(said.String(),
						"\nTo continue: for domains that were not begun, the plan still holds: dkimbot apply plan.json\n"):
				case code == 1 && strings.HasSuffix(said.String(), "Nothing is left to do.\n"):
				case code == 1 && said.String() == "Interrupted before anything was begun. Run the same command again.\n":
				default:
					t.Errorf("it ended with %d:\n%s", code, said.String())
				}
				if r := l.run(t, "apply", "plan.json"); r.code != 0 && r.code != 3 && r.code != 4 {
					t.Errorf("applied again, it ended with %d:\n%s%s", r.code, r.out, r.stderr)
				}
				eventually(t, "what was begun comes to its end", func() bool {
					l.run(t, "rotate", "--due").want(t, 0)
					return strings.Count(l.run(t, "status").out, "phase ready") == 2
				})
				l.wantSound(t, "a.test")
				l.wantSound(t, "b.test")
				for _, d := range []string{"a.test", "b.test"} {
					if n := strings.Count(l.run(t, "history", "--domain", d).out, " applied "); n > 1 {
						t.Errorf("the plan was applied %d times to %s", n, d)
					}
				}
			})
		}
	}
}

// I9: no private key is in a plan, in whatever phase it is made, nor in what is shown of it.
func TestPlansHoldNoKey(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 1h", 1)
	l.write(t)
	var texts []string
	look := func(args ...string) {
		l.run(t, append(args, "--out", "plan.json")...).want(t, 0)
		texts = append(texts, l.read(t, "plan.json"))
		for _, form := range []string{"text", "markdown", "json"} {
			texts = append(texts, l.run(t, "show", "plan.json", "--format", form).want(t, 0).out)
		}
	}
	look("plan")
	l.run(t, "apply", "plan.json").want(t, 0, "phase ready")
	look("plan")
	eventually(t, "the standby may be used", func() bool {
		return strings.Contains(l.run(t, "rotate", "--domain", "example.test", "--dry-run").out, "activate")
	})
	look("rotate", "--domain", "example.test", "--dry-run")
	l.run(t, "apply", "plan.json").want(t, 0, "phase draining")
	look("plan", "--at", "2099-01-01T00:00:00Z")
	secrets := l.secrets(t)
	if len(secrets) < 2*20 || !slices.ContainsFunc(secrets,
		func(s string) bool { return strings.Contains(l.read(t, "keys/example.test/s2/1.pem"), s) }) {
		t.Fatalf("found %d pieces of secrets; this test is of no use", len(secrets))
	}
	for _, text := range texts {
		for _, s := range secrets {
			if strings.Contains(text, s) {
				t.Fatalf("a part of a private key stands in\n%s", text)
			}
		}
	}
}

// secrets returns pieces of the private halves of all keys in the keystore, as PEM
// has them. The modulus, which records hold too, stands in the first half (RFC 8017
// appendix A.1.2).
func (l *lab) secrets(t *testing.T) (pieces []string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Join(l.Dir, "keys"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "PRIVATE KEY" {
				continue
			}
			text := base64.StdEncoding.EncodeToString(block.Bytes)
			for i := len(text) / 2; i+24 <= len(text); i += 24 {
				pieces = append(pieces, text[i:i+24])
			}
		}
		return nil
	}))
	return pieces
}
