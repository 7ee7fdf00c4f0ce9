// Package forecast plays plans forward: what will be done for a domain, and when, if nothing gets
// in between. It asks rotate/plan for the next steps, takes it that they succeed, and asks again.
//
// It is pure, as the planner is: it reads nothing, and has nothing that could change anything (I11).
package forecast
