package approval_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestStale: a plan holds as long as everything is as it was when it was made. What could not be asked then has
// changed when it can be asked now.
func TestStale(t *testing.T) {
	const record = "v=DKIM1; p=AAAA"
	at := func(version int, values ...string) rotate.Observation {
		return rotate.Observation{Selectors: map[string]rotate.SelectorSeen{
			"s1": {Sight: rotate.Sight{Values: values}, Version: version}}}
	}
	unread := at(0, record)
	one := unread.Selectors["s1"]
	one.KeyErr = errors.New("sealed")
	unread.Selectors["s1"] = one
	taken := func(values ...string) rotate.Observation { // the name leads to another domain's record
		seen := at(1, values...)
		one := seen.Selectors["s1"]
		one.SightErr = fault.Refuse(codes.SharedName, "both lead to one name", "")
		seen.Selectors["s1"] = one
		return seen
	}
	astray := at(1)
	nowhere := astray.Selectors["s1"]
	nowhere.Sight.Complete, nowhere.SightErr = true, fault.Lasting("look up", errors.New("in circles"), "")
	astray.Selectors["s1"] = nowhere
	for title, tt := range map[string]struct {
		planned, now   rotate.Observation
		plan           string
		revision, then int64
		applied        string
		want           []codes.Code
	}{
		"nothing has changed":                 {at(1, record), at(1, record), "a", 9, 9, "", nil},
		"it was applied":                      {at(1, record), at(2), "a", 10, 9, "a", []codes.Code{codes.Applied}},
		"a plan without a name":               {at(1, record), at(1, record), "", 9, 9, "", nil},
		"another record":                      {at(1, record), at(1), "a", 9, 9, "", []codes.Code{codes.RecordChanged}},
		"another domain's record, as planned": {taken(record), taken(record), "a", 9, 9, "", nil},
		"another domain's record":             {at(1, record), taken(), "a", 9, 9, "", []codes.Code{codes.RecordChanged}},
		"its name leads nowhere":              {at(1, record), astray, "a", 9, 9, "", []codes.Code{codes.RecordChanged}},
		"another key": {at(1, record), at(2, record), "a", 9, 9, "",
			[]codes.Code{codes.KeyChanged}},
		"no key, and none was asked for": {unread, at(0, record), "a", 9, 9, "", []codes.Code{codes.KeyChanged}},
		"the state has moved": {at(1, record), at(1, record), "a", 10, 9, "",
			[]codes.Code{codes.StateMoved}},
		"the state is another one, unmoved": {at(1, record), at(1, record), "a", 9, 9, "", nil},
	} {
		p := rotate.DomainPlan{Seen: tt.planned, Revision: tt.then, Basis: "of another state"}
		a := approval.Approval{PlanID: tt.plan, Conditions: approval.ConditionsOf(p)}
		why, unknown := a.Stale(rotate.State{Domain: "example.com", Applied: tt.applied, Revision: tt.revision},
			tt.now)
		var got []codes.Code
		for _, r := range why {
			got = append(got, r.Code)
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || unknown != nil {
			t.Errorf("%s: %v, %v", title, got, unknown)
		}
	}
}
