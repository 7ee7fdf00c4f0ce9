package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// workflow is as much of a GitHub Actions workflow as matters here.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct {
		Steps []struct {
			Name, Uses, Run string
			Env             map[string]string
		}
	}
}

// The example for reviews does what it says: the pull request gets the plan, its
// merge carries just that out, and once something has changed the job fails.
func TestReviewExample(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../../examples/github-actions/dkimbot.yml")
	must(t, err)
	var w workflow
	must(t, yaml.Unmarshal(data, &w))

	l := newLab(t, "a.test", "b.test")
	l.Policy += "\nplan_only: true"
	l.write(t)
	l.file(t, "bin/gh", "#!/bin/sh\necho \"$*\" >>"+l.Dir+"/gh.log\ncase $2 in list) echo 17 ;; comment) cat \"$5\" >>"+
		l.Dir+"/comments ;; esac\n")
	must(t, os.Chmod(filepath.Join(l.Dir, "bin/gh"), 0o755))

	l.job(t, w, "plan", 0)
	comment := l.read(t, "comments")
	for _, want := range []string{"## dkimbot plan: 2 domains, 18 steps",
		"| a.test | new | 9 | Mail is not signed for the domain today, at least not by anything that dkimbot manages;",
		"may be applied until "} {
		if !strings.Contains(comment, want) {
			t.Errorf("want %q in the comment:\n%s", want, comment)
		}
	}
	l.run(t, "rotate", "--due").want(t, 0)
	if st := l.status(t, "a.test"); st.Phase != "new" {
		t.Errorf("before the review a.test is %s", st.Phase)
	}
	l.job(t, w, "apply", 0)
	l.wantSound(t, "a.test")
	l.wantSound(t, "b.test")
	l.job(t, w, "apply", 3)
}

// job runs what a job runs in its shell, until a step fails.
func (l *lab) job(t *testing.T, w workflow, name string, want int) {
	t.Helper()
	ran := 0
	for _, s := range w.Jobs[name].Steps {
		if s.Run == "" {
			continue
		}
		ran++
		cmd := exec.Command("bash", "-e", "-o", "pipefail", "-c", s.Run)
		cmd.Dir = l.Dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(l.Dir, "bin")+":"+os.Getenv("PATH"), "GITHUB_SHA=0123abcd")
		for key, v := range w.Env {
			cmd.Env = append(cmd.Env, key+"="+v)
		}
		for key := range s.Env {
			cmd.Env = append(cmd.Env, key+"=17")
		}
		cmd.Env = append(cmd.Env, "PLANS="+filepath.Join(l.Dir, "plans"))
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Fatalf("%s: %s: %v\n%s", name, s.Name, err, out)
		}
		return
	}
	if ran == 0 || want != 0 {
		t.Fatalf("job %s: %d steps ran, and ended well", name, ran)
	}
}
