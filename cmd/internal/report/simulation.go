package report

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/simulate"
)

// SimulationDocument is `simulate --json`: what would happen, and whether mail would fail.
type SimulationDocument struct {
	FormatVersion int                 `json:"format_version"`
	Seed          uint64              `json:"seed"`
	Faults        string              `json:"faults"`
	From          time.Time           `json:"from"`
	To            time.Time           `json:"to"`
	Assumed       SimulationAssumed   `json:"assumed"`
	Domains       []SimulatedDomain   `json:"domains"`
	Verdict       SimulationVerdict   `json:"verdict"`
	Margins       []SimulationMargin  `json:"margins"`
	Problems      []SimulationProblem `json:"problems"`
}

// SimulationAssumed is what the models assume of mail servers and receivers.
type SimulationAssumed struct {
	Queue string `json:"queue"` // how long mail is under way at most
	Keep  string `json:"keep"`  // how long receivers keep a key at most
}

// SimulatedDomain is one domain's course, which stands for all domains of its kind.
type SimulatedDomain struct {
	Name      string          `json:"name"`
	StandsFor int             `json:"stands_for"`
	Timeline  []SimulatedStep `json:"timeline"`
}

// SimulatedStep is what happened to a domain's selectors at a time.
type SimulatedStep struct {
	At   time.Time `json:"at"`
	Day  int       `json:"day"` // since the beginning
	What string    `json:"what"`
}

// SimulationVerdict says what came of it.
type SimulationVerdict struct {
	OK            bool `json:"ok"`
	MailFails     bool `json:"mail_fails"`
	Rotations     int  `json:"rotations"`
	Waited        int  `json:"waited"` // rotations that were due before their key had settled
	Mails         int  `json:"mails"`
	Verifications int  `json:"verifications"`
	Failures      int  `json:"failures"`
	Unsigned      int  `json:"unsigned"`
	// failures for which no software could answer, such as hosts restored from ancient backups
	Excused int `json:"excused"`
}

// SimulationMargin is the tightest wait of its kind.
type SimulationMargin struct {
	Wait     string    `json:"wait"` // "drain", "settle" or "negative cache"
	Domain   string    `json:"domain"`
	Selector string    `json:"selector"`
	At       time.Time `json:"at"`
	Margin   string    `json:"margin"` // negative: mail can fail
	Thin     bool      `json:"thin"`

	Exact time.Duration `json:"-"` // the same as Margin, to compute with
}

// SimulationProblem is a sort of violation, with its first case.
type SimulationProblem struct {
	Invariant string    `json:"invariant"`
	Domain    string    `json:"domain"`
	At        time.Time `json:"at"`
	Count     int       `json:"count"`
	Message   string    `json:"message"`
}

// thin is the margin of the waits of days that a person should know of.
const thin = 24 * time.Hour

// NewSimulation makes the document of a run; standFor says how many domains each
// of the scenario's stands for.
func NewSimulation(sc simulate.Scenario, r simulate.Report, standFor map[string]int) SimulationDocument {
	doc := SimulationDocument{FormatVersion: FormatVersion, Seed: sc.Seed, Faults: string(sc.Faults), From: sc.Start.UTC(),
		To:      sc.Start.Add(sc.For).UTC(),
		Assumed: SimulationAssumed{sc.Queue.String(), sc.Keep.String()},
		Domains: []SimulatedDomain{}, Margins: []SimulationMargin{}, Problems: []SimulationProblem{},
		Verdict: SimulationVerdict{OK: len(r.Broken) == 0, MailFails: r.MailFails(), Rotations: r.Rotations, Waited: r.Waited,
			Mails: r.Mails, Verifications: r.Verifications,
			Failures: r.Failures, Unsigned: r.Unsigned, Excused: r.Excused}}
	for _, d := range sc.Domains {
		s := SimulatedDomain{Name: d.Name, StandsFor: standFor[d.Name], Timeline: []SimulatedStep{}}
		for _, e := range r.Milestones {
			if e.Domain == d.Name {
				s.Timeline = append(s.Timeline, SimulatedStep{e.At.UTC(), int(e.At.Sub(sc.Start) / (24 * time.Hour)), e.Text})
			}
		}
		doc.Domains = append(doc.Domains, s)
	}
	for _, m := range r.Margins {
		length := m.Length.Truncate(time.Second)
		doc.Margins = append(doc.Margins,
			SimulationMargin{m.Wait, m.Domain, m.Name.Selector, m.At.UTC(), length.String(), m.Thin(thin), length})
	}
	for _, v := range r.Broken {
		doc.Problems = append(doc.Problems, SimulationProblem{v.Invariant, v.Domain, v.At.UTC(), v.Count, v.What})
	}
	return doc
}
