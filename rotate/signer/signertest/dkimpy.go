package signertest

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// dkimpy verifies the first signature of a message by the record in its argument.
const dkimpy = `import sys, dkim
record = sys.argv[1].encode()
print(dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda name, timeout=5: record))`

// VerifyWithDkimpy has a second program verify the signature, as a receiver would that finds the key's record.
func (s Signature) VerifyWithDkimpy(t testing.TB, key *dkim.PrivateKey) bool {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-c", dkimpy, dkim.NewRecord(key.Public(), "").String())
	cmd.Stdin = strings.NewReader(s.Message)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dkimpy: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out)) == "True"
}
