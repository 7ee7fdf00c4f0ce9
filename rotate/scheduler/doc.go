// Package scheduler calls the engine when something is due, and looks after every domain now and then.
// What failed, also what could not be noted in the state, it tries again after hasten.Pause (agenda.drop).
package scheduler
