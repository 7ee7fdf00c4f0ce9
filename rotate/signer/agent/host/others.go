package host

import (
	"cmp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// A memory can be copied: with a host that is cloned, or that comes back from a backup. Each report has a mark, which
// the memory holds before the report is written. A report in Vault by this memory's name whose mark it does not hold is
// by another host, or by this one before it came back. Whichever it is, it may sign: this memory takes a new name, and
// says that there is another host.

// meet compares the memory with what stands in Vault.
func (t *turn) meet() {
	own := t.own()
	_, gone := t.wish.Gone[t.memo.Instance]
	moved := t.memo.Host != "" && t.memo.Host != t.Name
	var left []agent.Other
	switch {
	case !gone && !moved && !t.foreign(own):
		t.known(own)
	default:
		other := agent.Other{Instance: t.memo.Instance, Host: cmp.Or(t.memo.Host, t.Name)}
		if own != nil {
			other = *own
		}
		left = append(left, other)
		t.memo.Instance, t.memo.Marks = t.newName(), nil
	}
	t.memo.Host = t.Name
	t.gather(left)
}

// own returns the last report by the name of this memory; nil when there is none.
func (t *turn) own() *agent.Other {
	if t.page.Text != nil && t.before.Instance == t.memo.Instance {
		o := t.before.Other(t.page.Written, t.wish)
		return &o
	}
	for _, o := range slices.Concat(t.before.Others, t.before.Lost) {
		if o.Instance == t.memo.Instance && o.Mark != "" {
			return &o
		}
	}
	return nil
}

// foreign reports whether the last report by the name of this memory is not by it. Where Vault is older than the
// memory, nothing can be reported: it was restored, or the last report did not reach it.
func (t *turn) foreign(own *agent.Other) bool {
	switch {
	case own == nil || t.page.Version < t.memo.Version:
		return false
	case own.Mark == "": // by an older dkimbot
		return len(t.memo.Marks) > 0
	}
	return !slices.Contains(t.memo.Marks, own.Mark)
}

// known keeps of the marks those that can still show up: that of the last report, and one that may be on its way.
func (t *turn) known(own *agent.Other) {
	at := -1
	if own != nil {
		at = slices.Index(t.memo.Marks, own.Mark)
	}
	t.memo.Marks = slices.Clone(t.memo.Marks[max(at, 0):])
}

// mark gives the report its mark, which the memory holds before the report can be read. One that may not have been
// written is used again.
func (t *turn) mark() error {
	memo := t.memo
	if len(memo.Marks) < 2 {
		memo.Marks = append(slices.Clone(memo.Marks), t.newName())
	}
	t.report.Mark = memo.Marks[len(memo.Marks)-1]
	memo.Version = t.page.Version + 1
	t.memo = memo
	return t.Memory.Save(memo)
}

// gather brings together who else has reported under this name: by the last report, by the memory, and more. Of what is
// said of one host the newest counts. A host that is gone is left out when nothing is left to say of it.
func (t *turn) gather(more []agent.Other) {
	all := slices.Concat(t.memo.Others, t.before.Lost, t.before.Others, more)
	if t.page.Text != nil && t.before.Instance != "" {
		all = append(all, t.before.Other(t.page.Written, t.wish))
	}
	newest := map[string]agent.Other{}
	for _, o := range all {
		if before, known := newest[o.Instance]; o.Instance != t.memo.Instance && (!known || !o.At.Before(before.At)) {
			newest[o.Instance] = o
		}
	}
	t.others = nil
	for _, o := range newest {
		if t.recent(o) || !t.wish.Over(o) || t.report.Trouble != "" {
			t.others = append(t.others, o)
		}
	}
	slices.SortFunc(t.others, func(a, b agent.Other) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Instance, b.Instance))
	})
	t.memo.Others = t.others
}

// recent reports whether a host has reported as lately as a living agent does.
func (t *turn) recent(o agent.Other) bool {
	return t.page.Now.Sub(o.At) <= 4*max(min(t.before.Poll, time.Hour), t.Poll, time.Second)
}

// divide says in the report which hosts reported lately, and which are not heard of any more.
func (t *turn) divide() {
	t.report.Others, t.report.Lost = nil, nil
	for _, o := range t.others {
		if t.recent(o) {
			t.report.Others = append(t.report.Others, o)
		} else {
			t.report.Lost = append(t.report.Lost, o)
		}
	}
}
