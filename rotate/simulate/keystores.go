package simulate

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// The keystore that dkimbot reaches is not always the right one: the configuration names
// another, or it came back from a backup, or it lost everything. In the end somebody puts
// the right one back.

// swapKeystore puts another keystore in the place of the right one for some days.
func (w *world) swapKeystore() {
	v := w.vault
	if v.right != nil || w.pending > 0 || w.anyActing() {
		return
	}
	v.right, v.swapped = v.slots, w.now
	if old := len(v.backups); old > 0 && w.faults.IntN(2) == 0 {
		v.slots = cloneSlots(v.backups[w.faults.IntN(old)])
		w.log("", "the keystore is restored from an old backup")
	} else {
		v.slots = map[dkim.Name]*slot{}
		w.log("", "the keystore is empty: it is another one, or it has lost everything")
	}
	at := w.now.Add(spread(w.faults, time.Hour, 12*day))
	if at.After(w.quiet) {
		at = w.quiet
	}
	w.at(at, w.rightKeystore)
}

// rightKeystore puts the right keystore back. What was stored in the wrong one is added,
// where the numbers of versions allow that.
func (w *world) rightKeystore() {
	v := w.vault
	if w.pending > 0 || w.anyActing() {
		w.after(10*time.Minute, w.rightKeystore)
		return
	}
	for name, s := range v.slots {
		if right := v.rightSlot(name); s.put > 0 && len(s.versions) > len(right.versions) {
			right.versions = append(right.versions, s.versions[len(right.versions):]...)
		} else if s.put > 0 {
			w.domain(name.Domain).rolledBack = true // two histories of one key: it can't be said which is right
		}
	}
	v.slots, v.right, v.swapped = v.right, nil, w.now
	w.log("", "the right keystore is back")
}

func (w *world) anyActing() bool {
	for _, d := range w.domains {
		if d.acting != nil {
			return true
		}
	}
	return false
}

// sealForDays seals the keystore for longer than an ordinary outage.
func (w *world) sealForDays() {
	until := w.now.Add(spread(w.faults, 6*time.Hour, 12*day))
	if until.After(w.quiet) {
		until = w.quiet
	}
	if w.vault.breaks(w.now, until) {
		w.log("", "the keystore is sealed until %s", stamp(until))
	}
}

// checkStored: no key is made for a domain whose keys are in another keystore.
func (p *process) checkStored(name dkim.Name, keyID string) {
	v := p.vault
	v.slot(name).put++
	p.keys.domains[keyID] = name.Domain
	p.checkKind(name, keyID)
	if v.right == nil {
		return
	}
	d := p.domain(name.Domain)
	missing := 0
	for _, s := range d.want.Policy.Selectors {
		n := nameOf(d.name, s)
		if v.live(n) == 0 && v.rightSlot(n).live() > 0 {
			missing++
		}
	}
	if missing == 2 && d.phase != rotate.New && d.phase != rotate.Bootstrapping {
		p.violate("I12", d.name, "%s: a key is stored at %s, in a keystore that holds none of the domain's keys", p.name,
			name)
	}
}

// backUpKeys keeps a copy of the keystore now and then.
func (w *world) backUpKeys() {
	if w.vault.right == nil {
		w.vault.backups = append(w.vault.backups, cloneSlots(w.vault.slots))
	}
	if len(w.vault.backups) > 8 {
		w.vault.backups = w.vault.backups[1:]
	}
	w.after(between(w.faults, time.Hour, 10*day), w.backUpKeys)
}

func cloneSlots(slots map[dkim.Name]*slot) map[dkim.Name]*slot {
	out := make(map[dkim.Name]*slot, len(slots))
	for name, s := range slots {
		out[name] = &slot{versions: append([]secret(nil), s.versions...)}
	}
	return out
}

// rightSlot is slot in the keystore that is the right one.
func (v *vault) rightSlot(name dkim.Name) *slot {
	if v.right == nil {
		return v.slot(name)
	}
	s := v.right[name]
	if s == nil {
		s = &slot{}
		v.right[name] = s
	}
	return s
}

func (v *vault) rightHolds(name dkim.Name, keyID string) bool {
	for _, s := range v.rightSlot(name).versions {
		if s.key != nil && s.key.ID() == keyID {
			return true
		}
	}
	return false
}

// rightID returns which key the right keystore holds as a version, while dkimbot reaches another one.
func (v *vault) rightID(name dkim.Name, version int) string {
	if s := v.rightSlot(name); v.right != nil && version >= 1 && version <= len(s.versions) {
		return s.versions[version-1].key.ID()
	}
	return ""
}

// destroyRight destroys what was destroyed in an older copy of the keystore also in the newest:
// whoever brings that back sees to it.
func (v *vault) destroyRight(name dkim.Name, keyID string) {
	if v.right == nil {
		return
	}
	for i, s := range v.rightSlot(name).versions {
		if s.key != nil && s.key.ID() == keyID {
			v.right[name].versions[i] = secret{}
		}
	}
}

func (s *slot) live() (n int) {
	for _, v := range s.versions {
		if v.key != nil {
			n++
		}
	}
	return n
}
