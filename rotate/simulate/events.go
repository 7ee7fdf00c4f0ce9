package simulate

import "time"

// event is something that happens at a time.
type event struct {
	at  int64 // nanoseconds since 1970
	seq int   // events of the same time happen in the order in which they were set
	do  func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.seq < o.seq }

// queue is a binary heap of events. It is typed, unlike container/heap, because a
// run spends much of its time here.
type queue []event

func (q *queue) push(e event) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !e.before(h[parent]) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
	*q = h
}

func (q *queue) pop() event {
	h := *q
	first, e := h[0], h[len(h)-1]
	h[len(h)-1] = event{}
	h = h[:len(h)-1]
	*q = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(e) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = e
	return first
}

// agenda is the run's only notion of time: it moves from event to event.
type agenda struct {
	now    time.Time
	steps  int // events and effects so far
	queue  queue
	seq    int
	halted bool // nothing happens any more
}

// at sets an event; one that lies in the past happens next.
func (a *agenda) at(t time.Time, do func()) {
	a.seq++
	a.queue.push(event{t.UnixNano(), a.seq, do})
}

func (a *agenda) after(d time.Duration, do func()) { a.at(a.now.Add(d), do) }

// runUntil lets everything happen up to t. An event may itself let time pass.
func (a *agenda) runUntil(t time.Time) {
	limit := t.UnixNano()
	for len(a.queue) > 0 && a.queue[0].at <= limit && !a.halted {
		e := a.queue.pop()
		if at := time.Unix(0, e.at).UTC(); at.After(a.now) {
			a.now = at
		}
		a.steps++
		e.do()
	}
	if t.After(a.now) && !a.halted {
		a.now = t
	}
}
