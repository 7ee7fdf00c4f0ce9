package simulate

import "strings"

// A DNS panel, which reads a record and writes it again as its form has it, gives the record of dkimbot's key other
// tags. Mail verifies by it as before, so nothing is excused: signers are looked after and keys replaced, and it is
// not said that the record is somebody else's.

// rewrite lets a panel write one of the domain's records again.
func (w *world) rewrite(d *domain) {
	n := w.names[nameOf(d.name, d.want.Policy.Selectors[w.faults.IntN(2)])]
	last := n.last()
	if n.foreign || n.strange() || n.led() || len(last.values) != 1 || last.values[0] != n.ours || w.keys.revoked(n.ours) {
		return
	}
	_, tags, _ := strings.Cut(n.ours, "k=")
	kind, rest, _ := strings.Cut(tags, ";")
	_, key, _ := strings.Cut(strings.TrimSuffix(rest, ";"), "p=")
	written := []string{"k=" + kind + "; t=s; p=" + key, "v=DKIM1; h=sha256; k=" + kind + "; p=" + key + ";",
		"v=DKIM1; k=" + kind + "; s=email; n=panel; p=" + key}[w.faults.IntN(3)]
	w.change(n, []string{written}, last.ttl)
	n.publishes(written)
	w.log(d.name, "a panel writes %s again: %s", n.name, written)
}
