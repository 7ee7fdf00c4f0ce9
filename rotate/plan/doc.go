// Package plan decides what has to be done for a domain. Plan is a pure function from the
// time, the configuration, a request, the stored state and what was observed to a
// rotate.DomainPlan, which is plain data (I11): it imports nothing that could write.
//
// The four steps of the scheme are four files: bootstrap.go, switch.go, drain.go and
// replace.go. What comes before them is an ordered list of rules (plan.go): release.go, checks.go,
// adopt.go, compromised.go, rollback.go and repair.go; limits.go holds back what begins. provide.go
// and waits.go have the single steps and how long they
// wait. view.go says what they ask: a view of what was seen, compared with the state, a Judge
// of what may be done, and what is not as it should be (drift.go). Forecast plays the planner
// forward, PlanAdoption takes keys under management that are in use, and Ordered changes what
// the state wants as a person instructs.
package plan
