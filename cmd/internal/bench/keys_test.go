package bench

import (
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

// keyRates runs the pair of benchmarks that stands beside dkim.Generate, and returns
// the seconds that a key took: as dkimbot makes it, and by crypto/rsa alone.
func keyRates(tb testing.TB, keys int) (ours, bare float64) {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "test", "-run", "^$", "-bench", "RSA2048$",
		"-benchtime", strconv.Itoa(keys)+"x", "-cpu", strconv.Itoa(runtime.GOMAXPROCS(0)),
		"github.com/dkimbot/dkimbot/rotate/dkim").CombinedOutput()
	if err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
	rate := func(name string) float64 {
		found := regexp.MustCompile(`(?m)^Benchmark` + name + `(?:-\d+)?\s.*?([\d.]+) keys/s`).FindSubmatch(out)
		if found == nil {
			tb.Fatalf("no benchmark %s in\n%s", name, out)
		}
		perSecond, err := strconv.ParseFloat(string(found[1]), 64)
		if err != nil {
			tb.Fatal(err)
		}
		return 1 / perSecond
	}
	return rate("GenerateRSA2048"), rate("BareRSA2048")
}
