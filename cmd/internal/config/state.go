package config

import (
	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// State says where it is kept how each domain stands.
type State struct {
	Driver string `json:"driver"` // "sqlite"
	Path   string `json:"path"`
}

func usualState() State { return State{Driver: "sqlite", Path: "state.db"} }

// Fields implements settings.Settings.
func (st *State) Fields() []settings.Field {
	return []settings.Field{
		{Key: "driver", Into: &st.Driver, Form: stateDriver, Meaning: "the kind of database"},
		{Key: "path", Into: &st.Path, Form: settings.Path(), Meaning: "the file of the database"},
	}
}

// stateDriver is the form of a driver's name; one that is to come is refused by name.
var stateDriver = settings.Form{Name: "one of sqlite", Parse: func(text string, _ settings.Place) (string,
	*settings.Problem) {
	switch text {
	case "sqlite":
		return text, nil
	case "postgres":
		return text, settings.Wrong("postgres is not available in this version", "use sqlite")
	}
	return text, settings.Wrong(settings.Unknown("value", text, []string{"sqlite", "postgres"}))
}}

func readState(s *node.Section) State {
	st := usualState()
	s.Read(&st, nil)
	if v := s.Get("driver"); s.Has("driver") {
		if text, _ := v.Raw(); text == "postgres" { // its keys are right, and reported with the driver's name
			s.Know("url_file", "url_env", "url")
		}
	}
	s.Done()
	return st
}

func stateGroup() Group {
	st := usualState()
	return Group{Path: "state", Meaning: "where dkimbot keeps what it knows of each domain; " +
		"it holds no private key, and is precious: back it up", Fields: st.Fields()}
}
