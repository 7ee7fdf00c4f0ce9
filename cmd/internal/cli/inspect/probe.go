package inspect

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/app"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/probe"
)

// Probe returns the command "probe".
func Probe(p *console.Program) *cobra.Command {
	var domains, signers []string
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Send a message through the domain's signers and say what signature came out",
		Long: `Send a message through the domain's signers and say what signature came out.

Submits one message for each domain and signer through the mail server that probe.submit of
the signer names, waits until it comes back to where probe.receive says, and reads its
signatures. Those of the domain are verified against what its authoritative name servers
show; those of other domains, of ARC and of DKIM2 are named only. A message is as it should
be when it has exactly one DKIM-Signature of the domain, with the selector that dkimbot has
switched the signer to, and this verifies.

A signature that may be verified for longer than the drain (x=) gets a warning.

One message is sent, and removed from the mailbox again; nothing else is changed. dkimbot does
the same by itself at each switch of a signer with a probe, and before it replaces a key.
'dkimbot check' tries the way without a message.

Exits with 0 when every message is as it should be, 1 when none is, and 4 when some are.`,
		Example: `  dkimbot probe --domain example.com
  dkimbot probe --domain example.com --signer mx1 --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(domains) == 0 {
				return console.Wrong(cmd, errors.New("probe needs --domain"))
			}
			cfg, chosen, err := p.LoadFor(cmd, domains, console.Choose)
			if err != nil {
				return err
			}
			all, err := app.Probe(cmd.Context(), cfg, chosen, signers)
			if err != nil {
				return err
			}
			doc := probeDocument(all)
			if p.JSON {
				err = report.JSON(p.Out, doc)
			} else {
				showProbes(p.Text(), all)
			}
			failed := 0
			for _, one := range doc.Probes {
				if !one.OK {
					failed++
				}
			}
			if code := console.Outcome(len(all), failed, 0); err == nil && code != console.ExitDone {
				return console.Exit(code)
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&domains, "domain", nil, "this `domain`; may be repeated")
	cmd.Flags().StringArrayVar(&signers, "signer", nil, "only through this `signer`; may be repeated")
	p.JSONFlag(cmd)
	return cmd
}

func probeDocument(all []app.Probed) report.ProbeDocument {
	doc := report.ProbeDocument{FormatVersion: report.FormatVersion, OK: true, Probes: []report.Probe{}}
	for _, one := range all {
		out := report.Probe{Domain: one.Domain, Signer: one.Signer, Expected: one.Expected, OK: one.Err == nil,
			SentAt: moment(one.Sent), ArrivedAt: moment(one.Arrived), Warnings: one.Warnings(),
			Problem: report.NewProblem(one.Err), Signatures: []report.ProbeSignature{}}
		for _, s := range one.Signatures {
			sig := report.ProbeSignature{Field: s.Field, Domain: s.Domain, Selector: s.Selector, Algorithm: s.Algorithm,
				Own: s.Own, Error: s.Fault, KeyID: s.KeyID, ExpiresAt: moment(s.Expires)}
			if valid := s.Fault == ""; s.Checked {
				sig.Valid = &valid
			}
			out.Signatures = append(out.Signatures, sig)
		}
		doc.OK = doc.OK && out.OK
		doc.Probes = append(doc.Probes, out)
	}
	return doc
}

// moment returns a time for a document, nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// showProbes writes what came of each message, and below it the signatures that it carries.
func showProbes(t show.Text, all []app.Probed) {
	for _, one := range all {
		verdict := "signed as it should be"
		if one.Err != nil {
			verdict = "NOT as it should be"
		}
		if one.Arrived.IsZero() {
			verdict = "nothing was seen"
		}
		expected := ""
		if one.Expected != "" {
			expected = ", expected selector " + one.Expected
		}
		fmt.Fprintln(t.W, screen.Visible(fmt.Sprintf("%s through %s: %s%s", one.Domain, one.Signer, verdict, expected)))
		for _, s := range one.Signatures {
			fmt.Fprintln(t.W, screen.Visible(fmt.Sprintf("  %s d=%s s=%s a=%s: %s", s.Field, cmp.Or(s.Domain, "?"),
				cmp.Or(s.Selector, "?"), cmp.Or(s.Algorithm, "?"), verified(s))))
		}
		for _, w := range one.Warnings() {
			fmt.Fprintln(t.W, screen.Visible("  warning: "+w))
		}
		if one.Err != nil {
			t.Problem(one.Err)
		}
	}
}

// verified says what verification came to.
func verified(s probe.Signature) string {
	text := "not verified"
	switch {
	case s.Fault != "" && s.Checked:
		text = "does not verify: " + s.Fault
	case s.Fault != "":
		text = "not verified: " + s.Fault
	case s.Checked:
		text = "verifies"
	}
	if !s.Expires.IsZero() {
		text += ", expires " + calendar.Utc(s.Expires)
	}
	return text
}
