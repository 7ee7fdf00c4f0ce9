package plantest

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Findings writes findings: code, selector or signer, and "!" when a person has to act.
func Findings(findings []finding.Finding) string {
	var out []string
	for _, f := range findings {
		text := string(f.Code) + " " + f.Selector + f.Signer
		if f.Asks {
			text += "!"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// ForeignRecord is a key record that dkimbot did not make.
const ForeignRecord = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

// Steps writes a plan's steps with their times relative to now.
func Steps(p rotate.DomainPlan, now time.Time) string {
	var out []string
	for _, s := range p.Steps {
		text := fmt.Sprint(s.Kind, " ", s.Selector)
		if s.Signer != "" {
			text += "/" + s.Signer
		}
		if s.NotBefore.After(now) {
			text += "@" + calendar.Span(s.NotBefore.Sub(now))
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// Record writes the record of a key.
func Record(k *dkim.PrivateKey) string { return dkim.NewRecord(k.Public(), "").String() }
