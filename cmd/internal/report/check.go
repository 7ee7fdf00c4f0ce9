package report

import (
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// CheckDocument is `check --json`.
type CheckDocument struct {
	FormatVersion int          `json:"format_version"`
	Ready         bool         `json:"ready"`
	Checks        []Check      `json:"checks"`
	Summary       CheckSummary `json:"summary"`
}

// Check is one thing that was asked.
type Check struct {
	Part    string   `json:"part"` // "signer"
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Domains []string `json:"domains,omitempty"` // all when there are none
	Result  string   `json:"result"`            // "ok", "failed", "refused" or "skipped"
	Found   string   `json:"found,omitempty"`   // what it is like, for people
	Problem *Problem `json:"problem,omitempty"`
}

// CheckSummary counts the results.
type CheckSummary struct {
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Refused int `json:"refused"`
	Skipped int `json:"skipped"`
}

// NewCheck makes the document of what was asked.
func NewCheck(answers []preflight.Answer) CheckDocument {
	doc := CheckDocument{FormatVersion: FormatVersion, Checks: []Check{}}
	for _, a := range merged(answers) {
		c := Check{Part: a.Kind, Name: a.Name, What: a.What, Domains: a.Domains, Found: a.Found, Problem: NewProblem(a.Err)}
		switch {
		case a.Unasked:
			c.Result = "skipped"
			doc.Summary.Skipped++
		case a.Err == nil:
			c.Result = "ok"
			doc.Summary.OK++
		case fault.KindOf(a.Err) == fault.Refused:
			c.Result = "refused"
			doc.Summary.Refused++
		default:
			c.Result = "failed"
			doc.Summary.Failed++
		}
		doc.Checks = append(doc.Checks, c)
	}
	doc.Ready = doc.Summary.OK == len(doc.Checks)
	return doc
}

// merged puts together what is asked of a part for each domain and is as it should be, and what could not be asked.
func merged(answers []preflight.Answer) (out []preflight.Answer) {
	type key struct {
		kind, name, what string
		unasked          bool
	}
	at := map[key]int{}
	for _, a := range answers {
		k := key{a.Kind, a.Name, a.What, a.Unasked}
		if i, found := at[k]; found && a.Err == nil && len(a.Domains) > 0 {
			out[i].Domains = append(out[i].Domains[:len(out[i].Domains):len(out[i].Domains)], a.Domains...)
			continue
		}
		if a.Err == nil {
			at[k] = len(out)
		}
		out = append(out, a)
	}
	return out
}

// CheckedDomains returns how many of the domains something fails for, and how many of those for
// refusals alone. What fails for no domain in particular counts for all of them, and for one where none is listed yet.
func CheckedDomains(answers []preflight.Answer, domains []string) (failed, refused int) {
	bad, lasting := map[string]bool{}, map[string]bool{}
	if len(domains) == 0 {
		domains = []string{""}
	}
	for _, a := range answers {
		if a.Err == nil {
			continue
		}
		of := a.Domains
		if len(of) == 0 {
			of = domains
		}
		for _, d := range of {
			bad[d] = true
			lasting[d] = lasting[d] || fault.KindOf(a.Err) != fault.Refused
		}
	}
	for d := range bad {
		if !lasting[d] {
			refused++
		}
	}
	return len(bad), refused
}
