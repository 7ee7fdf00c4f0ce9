package simulate

// classes are kinds of faults, and oracles, that a scenario can have beside its level.
type classes uint

const (
	strangers   classes = 1 << iota // other people change the records at dkimbot's names at any moment
	keystores                       // the keystore is another one, an older one, or sealed for many days
	clocks                          // the machine's clock is set by hours, days and years, forward and back
	daemons                         // signers' daemons are restarted on old tables, their files stay
	twins                           // a host has two names in the configuration
	aliases                         // selectors' names lead elsewhere by CNAME, also two domains' to one name
	silent                          // name servers do not answer dkimbot for days, and answer the world
	wildcards                       // selectors without a record are answered for by a wildcard
	stops                           // processes are stopped in the middle of their work, and wake hours later
	hardDays                        // many more keys are reported as compromised, and revoked at once
	bounds                          // oracle: what can be done at once is done in the same run
	truths                          // oracle: what is said is so
	changes                         // the configuration is changed between the runs
	agentsClass                     // every host is behind an agent: late, away for days, built again
	panels                          // a DNS panel gives records of dkimbot's other tags, and mail verifies by them
	leavers                         // with changes: hosts are taken off a domain's list, and continue to sign for days
	movers                          // with changes: domains move often, and records that they left vanish
	detours                         // selectors' names are led to the domain's other one, or nowhere, for a while
)

// plays reports whether the scenario has the class.
func (w *world) plays(c classes) bool { return w.sc.classes&c != 0 }

// misfortune sets what the scenario's classes bring.
func (w *world) misfortune() {
	if w.plays(keystores) {
		w.often(1, w.swapKeystore)
		w.often(1, w.sealForDays)
	}
	if w.plays(changes) {
		w.often(0.7, w.copyKeystore)
	}
	if w.plays(clocks) {
		w.often(4, w.setClock)
	}
	if w.plays(silent) {
		w.often(4, w.silence)
	}
	for _, name := range w.hostNames {
		if h := w.hosts[name]; w.plays(daemons) {
			w.often(1.5, h.relapse)
		}
	}
	for _, d := range w.domains {
		if w.plays(strangers) {
			w.often(3, func() { w.intrude(d) })
		}
		if w.plays(detours) {
			w.often(3, func() { w.leadAside(d) })
		}
		if w.plays(panels) {
			w.often(3, func() { w.rewrite(d) })
		}
		if w.plays(changes) {
			w.changeConfiguration(d)
		}
		if w.plays(movers) {
			w.move(d)
		}
		if w.plays(hardDays) {
			w.often(3, func() { w.reportLeak(d) })
		}
	}
}
