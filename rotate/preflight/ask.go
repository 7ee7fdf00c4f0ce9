package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Part is what questions are asked of: a provider, a signer, the keystore.
type Part struct {
	Kind, Name string
	Questions  []Question
}

// Answer is what became of a question. Where domains fail for reasons of their own, there is one for each reason.
type Answer struct {
	Kind, Name string   // of the part
	What       string   // of the question
	Domains    []string // that it is about; nil for all
	Unasked    bool     // what it needs is missing, and reported already
	Err        error    // nil: as it should be
	Found      string   // what it is like then, for people; "" when there is nothing to say
}

// Limits bound the asking.
type Limits struct {
	Parallel int           // questions that are asked at once
	Each     time.Duration // for one question, unless that allows more
}

// Usual is what is asked at once, and how long an answer may take: longer than drivers
// wait for one by themselves.
var Usual = Limits{Parallel: 32, Each: 30 * time.Second}

// Ask asks all questions of the parts, many at once, and returns the answers in their order. One
// that does not answer in time holds no other up, but those that need it. It returns soon after ctx is done.
func Ask(ctx context.Context, parts []Part, limits Limits) []Answer {
	slots := make(chan struct{}, limits.Parallel)
	all := make([][]Answer, len(parts))
	var wg sync.WaitGroup
	for i, p := range parts {
		wg.Go(func() { all[i] = p.ask(ctx, slots, limits.Each) })
	}
	wg.Wait()
	return slices.Concat(all...)
}

// ask asks a part: each question as soon as the one that it needs has its answer.
func (p Part) ask(ctx context.Context, slots chan struct{}, each time.Duration) []Answer {
	errs, done := make([]error, len(p.Questions)), make([]chan struct{}, len(p.Questions))
	found := make([]string, len(p.Questions))
	for i := range done {
		done[i] = make(chan struct{})
	}
	for i, q := range p.Questions {
		go func() {
			defer close(done[i])
			if n := p.needed(q); n >= 0 {
				<-done[n]
				if errs[n] != nil {
					errs[i] = ErrUnasked
					return
				}
			}
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				errs[i] = ctx.Err()
				return
			}
			defer func() { <-slots }()
			if errs[i] = p.answer(ctx, q, max(each, q.Within)); errs[i] == nil && q.Found != nil {
				found[i] = q.Found()
			}
		}()
	}
	var all []Answer
	for i, q := range p.Questions {
		<-done[i]
		for _, a := range p.answersOf(q, errs[i]) {
			a.Found = found[i]
			if a.Err != nil && slices.ContainsFunc(all, a.repeats) {
				a.Unasked, a.Err = true, nil
			}
			all = append(all, a)
		}
	}
	return all
}

// repeats reports whether another answer says the same of another question.
func (a Answer) repeats(other Answer) bool {
	return other.Err != nil && other.What != a.What && Same(other.Err, a.Err)
}

// Same reports whether two faults are one: of one kind and code, about one object and with one cause.
// How they were wrapped on the way makes no difference.
func Same(a, b error) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Error() == b.Error() && fault.KindOf(a) == fault.KindOf(b) && fault.CodeOf(a) == fault.CodeOf(b) &&
		fault.HintOf(a) == fault.HintOf(b)
}

// ErrUnasked is the error of a question that can't be asked: what it needs is missing, as is reported already.
var ErrUnasked = errors.New("what it needs is missing")

// needed returns the number of the question that q needs; it stands before q. -1 for none.
func (p Part) needed(q Question) int {
	if q.Needs == "" {
		return -1
	}
	return slices.IndexFunc(p.Questions, func(o Question) bool { return o.What == q.Needs })
}

// lastMoment is how long a driver has to end what it runs when its time is over: a command would live on otherwise.
const lastMoment = 3 * time.Second

// answer asks one question. It is given up when its time is over, whatever the driver does.
func (p Part) answer(ctx context.Context, q Question, each time.Duration) error {
	what := fmt.Sprintf("check %s of %s %s", q.What, p.Kind, p.Name)
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	come := make(chan error, 1)
	go func() {
		var err error
		defer func() { come <- err }()
		defer fault.Caught(what, &err)
		err = q.Ask(ctx)
	}()
	select {
	case err := <-come:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-come: // at the last moment
		return err
	default:
	}
	select { // it is given up; a command that it runs is to end before this program does
	case <-come:
	case <-time.After(lastMoment):
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.Unanswered, What: what,
		Err:  fmt.Errorf("no answer within %s", each),
		Hint: "see whether it runs and can be reached from here; a rotation would wait for it, too"}
}

// answersOf returns the answers that a question's error is: one for each reason, in the order of the domains.
func (p Part) answersOf(q Question, err error) []Answer {
	a := Answer{Kind: p.Kind, Name: p.Name, What: q.What, Domains: q.Domains, Err: err}
	if err == ErrUnasked {
		a.Unasked, a.Err = true, nil
	}
	var some interface{ FailedDomains() map[string]error }
	if !errors.As(err, &some) || len(q.Domains) == 0 {
		return []Answer{a}
	}
	failed := some.FailedDomains()
	var out []Answer
	well := a
	well.Domains, well.Err = nil, nil
	for _, domain := range q.Domains {
		why := failed[domain]
		if why == nil {
			well.Domains = append(well.Domains, domain)
			continue
		}
		i := slices.IndexFunc(out, func(o Answer) bool { return Same(o.Err, why) })
		if i < 0 {
			one := a
			one.Domains, one.Err = nil, why
			i, out = len(out), append(out, one)
		}
		out[i].Domains = append(out[i].Domains, domain)
	}
	if len(well.Domains) > 0 {
		out = append([]Answer{well}, out...)
	}
	return out
}
