package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// image lays out what the last stage of the Dockerfile holds, and returns its directory, its user and its entry point.
func image(t *testing.T) (dir, user, entry string) {
	t.Helper()
	dir = t.TempDir()
	_, last, _ := strings.Cut(read(t, root+"/packaging/Dockerfile"), "\nFROM scratch\n")
	for line := range strings.Lines(last) {
		word := strings.Fields(line)
		switch {
		case len(word) == 0:
		case word[0] == "COPY":
			from, to := word[len(word)-2], filepath.Join(dir, word[len(word)-1])
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			switch from {
			case "/dkimbot":
				run(t, ".", nil, "cp", built(t), to)
			case "/scratch":
				run(t, ".", nil, "install", "-d", "-o", "65532", "-g", "65532", "-m", "0700", to)
			case "packaging/passwd", "packaging/group":
				run(t, ".", nil, "cp", filepath.Join(root, from), to)
			case "/etc/ssl/certs/ca-certificates.crt":
			default:
				t.Fatalf("%s copies what this test does not know", line)
			}
		case word[0] == "USER":
			user = word[1]
		case word[0] == "ENTRYPOINT":
			entry = strings.Trim(word[1], `[]"`)
		case word[0] != "CMD":
			t.Fatalf("%q is not expected in a stage from scratch", line)
		}
	}
	return dir, user, entry
}

// within runs a command as the image's user, where only the volumes can be written: below a volume that belongs
// to root and the user's group, as Kubernetes mounts it.
const within = `
mount --make-rprivate / && mount --bind "$1" "$1" && mkdir -p "$1/proc" "$1/data" "$1/tmp"
mount -t tmpfs -o mode=1777 none "$1/tmp"; mount --rbind /proc "$1/proc"; mount --bind "$2" "$1/data"
mount -o remount,bind,ro "$1"
dir=$1 user=$3; shift 3
exec chroot --userspec="$user" --groups="${user#*:}" "$dir" "$@"`

// TestImage: an image with the program and nothing else rotates, without root, on a read-only file system.
func TestImage(t *testing.T) {
	dir, user, entry := image(t)
	if name, _, _ := strings.Cut(user, ":"); name == "" || name == "0" || strings.Trim(name, "0123456789") != "" {
		t.Fatalf("user %q is root, or none that Kubernetes knows not to be", user)
	}
	data := t.TempDir()
	for name, text := range map[string]string{
		"dkimbot.yaml": `state: { path: /data/state.db }
keystore: { driver: file, path: /data/keys }
providers: { lab: { driver: zonefile, dir: zones, listen: "127.0.0.1:25353" } }
signers: { mail: { driver: exim, key_dir: /data/dkim/keys, table: /data/dkim/table, owner: "65532:65532", lag: 1s } }
verify: { nameservers: ["127.0.0.1:25353"] }
policies: { default: { unsafe_timing: true, drain: 1s, settle: 1s, ttl: 1s, splay: 0s, timezone: Europe/Berlin } }
domains: [{ name: example.test, provider: lab, signers: [mail] }]
`,
		"zones/example.test.zone": "$ORIGIN example.test.\n$TTL 1\n@ SOA ns h 1 3600 600 604800 1\n@ NS ns\nns A 127.0.0.1\n",
	} {
		path := filepath.Join(data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, data, nil, "chown", "-R", "65532:65532", "zones")
	run(t, data, nil, "chown", "0:65532", ".")
	run(t, data, nil, "chmod", "2775", ".")
	bot := func(argv ...string) string {
		return run(t, ".", nil, append([]string{"unshare", "--mount", "--net", "sh", "-euc", "ip link set lo up; " + within, "sh",
			dir, data, user, entry}, append(argv, "--config", "/data/dkimbot.yaml")...)...)
	}
	bot("rotate", "--domain", "example.test", "--wait")
	if said := bot("status"); !strings.Contains(said, "signs with s1") {
		t.Errorf("no key signs:\n%s", said)
	}
}

// manifests runs the check of Kubernetes' manifests.
func manifests(t *testing.T, files ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("go", append([]string{"run", "-C", "manifests", "."}, files...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make lint compiles Kubernetes' types
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestManifests: Kubernetes' own types know every field, no container gets more rights than it needs, and
// dkimbot takes the configuration.
func TestManifests(t *testing.T) {
	dir, err := filepath.Abs(root + "/examples/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(dir, "daemon.yaml"), filepath.Join(dir, "cronjob.yaml")}
	out, err := manifests(t, files...)
	if err != nil || !strings.Contains(out, "apps/v1 Deployment") || !strings.Contains(out, "batch/v1 CronJob") {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := read(t, files[0])
	for old, bad := range map[string]string{
		"readOnlyRootFilesystem: true": "readOnlyRootFilesystem: false", "drop: [ALL]": "drop: []",
		"runAsNonRoot: true": "runAsNonRoot: maybe", "path: /readyz": "path: /", "replicas: 1": "replicas: 1\n  replica: 1",
		"{ name: tmp, mountPath": "{ name: temp, mountPath", "automountServiceAccountToken: false": "hostNetwork: true",
	} {
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(whole, old, bad, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := manifests(t, file); err == nil || !strings.Contains(whole, old) {
			t.Errorf("%s instead of %s passes: %s", bad, old, out)
		}
	}
	var config struct {
		Data map[string]string `yaml:"data"`
	}
	first, _, _ := strings.Cut(whole, "\n---\n")
	if err := yaml.Unmarshal([]byte(first), &config); err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "token")
	text := strings.ReplaceAll(config.Data["dkimbot.yaml"], "/etc/dkimbot-secret/cloudflare.token", secret)
	file := filepath.Join(filepath.Dir(secret), "dkimbot.yaml")
	for name, text := range map[string]string{secret: "abcdefghijklmnopqrstuvwxyz0123456789ABCD", file: text} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := run(t, ".", nil, built(t), "validate", "--config", file); !strings.Contains(out, "is valid: 1 domain") {
		t.Error(out)
	}
}
