package config

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Hooks are the commands that are run, in their order.
type Hooks struct {
	BeforeSwitch []Hook `json:"before_switch"` // each of them can veto
	After        []Hook `json:"after"`
	OnFailure    []Hook `json:"on_failure"`
}

// Hook is one command.
type Hook struct {
	Command []string      `json:"command"`
	Timeout time.Duration `json:"timeout"`
}

// longestHook bounds what all hooks before a switch may take together: the
// heart waits for consent a little longer than this.
const longestHook = 4 * time.Minute

// Fields implements settings.Settings.
func (h *Hooks) Fields() []settings.Field {
	list := is("list")
	return []settings.Field{
		{Key: "before_switch", Into: (*hookList)(&h.BeforeSwitch), Form: list,
			Meaning: "asked before a switch starts; each of them can veto it; together they may take 4m"},
		{Key: "after", Into: (*hookList)(&h.After), Form: list, Meaning: "run after each finished switch and rotation"},
		{Key: "on_failure", Into: (*hookList)(&h.OnFailure), Form: list, Meaning: "run after each failed or refused attempt"},
	}
}

// Rules implements settings.Ruled.
func (h *Hooks) Rules() []*settings.Problem {
	var all time.Duration
	for _, hook := range h.BeforeSwitch {
		all += hook.Timeout
	}
	if all <= longestHook {
		return nil
	}
	return []*settings.Problem{settings.Wrong(
		fmt.Sprintf("the hooks may take %s together, and a switch does not wait so long", settings.Brief(all)),
		"write time-outs of at most "+settings.Brief(longestHook)+" in all", "before_switch")}
}

func usualHook() Hook { return Hook{Timeout: 30 * time.Second} }

// Fields implements settings.Settings.
func (h *Hook) Fields() []settings.Field {
	return []settings.Field{
		{Key: "command", Into: &h.Command, Need: "write program and arguments: [/usr/local/bin/may-switch]",
			Meaning: "program and arguments"},
		patience(&h.Timeout, func(d time.Duration) *settings.Problem {
			if d <= longestHook {
				return nil
			}
			return settings.Wrong(settings.Brief(d)+" is too long for a hook", "want at most "+settings.Brief(longestHook)+
				"; let the command start what takes longer")
		}),
	}
}

// patience is how long one try of something may take.
func patience(into *time.Duration, rule settings.SpanRule) settings.Field {
	return settings.Field{Key: "timeout", Into: into, Shortest: time.Millisecond, Span: rule,
		Meaning: "how long one try may take"}
}

// hookList is a list of commands.
type hookList []Hook

// ReadValue implements node.Reader.
func (l *hookList) ReadValue(v node.Value) {
	items, _ := v.List()
	for _, item := range items {
		if sub, ok := item.Section(); ok {
			hook := usualHook()
			sub.Read(&hook, nil)
			sub.Done()
			*l = append(*l, hook)
		}
	}
}

func readHooks(s *node.Section) Hooks {
	h := Hooks{BeforeSwitch: []Hook{}, After: []Hook{}, OnFailure: []Hook{}}
	s.Read(&h, nil)
	s.Done()
	return h
}

func hookGroups() []Group {
	groups := []Group{{Path: "notify.hooks", Meaning: "commands, each with its time-out", Fields: new(Hooks).Fields()}}
	for _, f := range groups[0].Fields {
		hook := usualHook()
		groups = append(groups, Group{Path: "notify.hooks." + f.Key + "[]", Meaning: "one command", Fields: hook.Fields()})
	}
	return groups
}
