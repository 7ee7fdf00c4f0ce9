package show

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
)

// Unlisted writes what stays where of domains that the configuration lists no more.
func (t Text) Unlisted(all []report.Unlisted) {
	for _, u := range all {
		t.heading(u.Name, rotate.Phase(u.Phase))
		fmt.Fprintf(t.W, "  %s it is not in the configuration any more; dkimbot changes nothing of it\n", t.Yellow("warning:"))
		t.Line("  ", "stays", strings.Join(staysOf(u), "; "))
		if len(u.Unrevoked) > 0 {
			fmt.Fprintf(t.W, "  %s %s\n\n", t.Red("compromised"), LeftCompromised(u))
			continue
		}
		t.Line("  ", "", fmt.Sprintf("list it again to continue, or release it: dkimbot release --domain %s", u.Name))
		fmt.Fprintln(t.W)
	}
}

// LeftCompromised says that compromised keys of a domain that the configuration lists no more stay public, and what to
// do.
func LeftCompromised(u report.Unlisted) string {
	return fmt.Sprintf("the compromised key at %s is not revoked, and stays so: list %s again in the configuration, "+
		"and dkimbot continues", strings.Join(u.Unrevoked, " and "), u.Name)
}

// staysOf says what of the domain is still where.
func staysOf(u report.Unlisted) (out []string) {
	if len(u.Records) > 0 {
		out = append(out, strings.Join(u.Records, " and ")+" in DNS")
	}
	if len(u.Keys) > 0 {
		out = append(out, "the private keys of "+strings.Join(u.Keys, " and ")+" in the keystore")
	}
	for _, name := range sortedKeys(u.Signers) {
		out = append(out, "signer "+name+" signs with "+u.Signers[name])
	}
	return out
}

// ReleasedWarnings says that the keys of domains which were released, and are listed no more, were not reported.
func ReleasedWarnings(states []rotate.State) (out []string) {
	for _, st := range states {
		out = append(out, fmt.Sprintf("%s was released, and is not in the configuration: its keys were not reported; list it, "+
			"take it back with 'dkimbot release --domain %s --undo', and report them", st.Domain, st.Domain))
	}
	return out
}

// UnlistedWarnings says that there are some, for commands about something else.
func UnlistedWarnings(states []rotate.State) (out []string) {
	const most = 5
	for i, st := range states {
		if i == most {
			return append(out, fmt.Sprintf("%d more domains are not in the configuration any more; "+
				"'dkimbot status' lists all", len(states)-most))
		}
		says := "dkimbot changes nothing of it; 'dkimbot status' says what stays where"
		if left := report.NewUnlisted([]rotate.State{st})[0]; len(left.Unrevoked) > 0 {
			says = LeftCompromised(left)
		}
		out = append(out, fmt.Sprintf("%s is not in the configuration any more, and %s", st.Domain, says))
	}
	return out
}
