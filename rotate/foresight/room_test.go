package foresight_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/foresight"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// disk is a part that writes files of this machine; err is what its question about the right to write them finds.
type disk struct {
	ports.SignerReader
	err error
}

func (d disk) Check(of []preflight.Subject) []preflight.Question {
	return []preflight.Question{
		{What: "there", Ask: func(context.Context) error { return nil }},
		{What: "right", Rights: true, Disk: true, Domains: preflight.Domains(of), Needs: "there",
			Ask: func(context.Context) error {
				failed := preflight.Failed{}
				if d.err != nil {
					failed["a.example"] = d.err
				}
				return failed.OrNil()
			}},
		{What: "a right far away", Rights: true, Ask: func(context.Context) error { panic("nobody asks this for a plan") }},
	}
}

// TestNoPromiseOnFullDisk guards I11: a plan promises no step that needs room where a file system is full, whether the
// state's, the keystore's, the account's, a signer's or that of the audit log; it keeps the others. That who plans may
// not write there takes nothing out.
func TestNoPromiseOnFullDisk(t *testing.T) {
	full := fault.Temporary("write it", &fsError{syscall.ENOSPC}, "free space")
	quota := fault.Temporary("write it", fmt.Errorf("write: %w", syscall.EDQUOT), "free space")
	mine := fault.Lasting("write it", syscall.EACCES, "run as root")
	want := domain()
	want.Signers = []string{"mx1", "mx2"}
	turn := []rotate.Step{
		{Kind: rotate.Publish, Selector: "s1"},
		{Kind: rotate.Activate, Selector: "s2", Signer: "mx1"},
		{Kind: rotate.Activate, Selector: "s2", Signer: "mx2"},
		{Kind: rotate.Destroy, Selector: "s1", Duty: rotate.Disposal},
	}
	flight := rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Duty: rotate.Signing}
	at := func(phase rotate.Phase, leaked time.Time) rotate.State {
		return rotate.State{Phase: phase, Active: "s1", Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{Leaked: leaked}}, "s2": {Key: &rotate.Key{}}}}
	}
	switching, ready := at(rotate.Switching, time.Time{}), at(rotate.Ready, time.Time{})
	signers := func(err error) map[string]ports.SignerReader {
		return map[string]ports.SignerReader{"mx1": disk{err: err}, "mx2": disk{}}
	}
	for name, tt := range map[string]struct {
		st    rotate.State
		parts foresight.Parts
		steps []rotate.Step
		left  []string
	}{
		"all have room": {switching, foresight.Parts{Keys: disk{}, Account: disk{}, Readers: signers(nil),
			State: disk{}.Check(nil), Switches: disk{}.Check(nil)}, turn, words(turn...)},
		"a right is missing": {switching, foresight.Parts{Keys: disk{err: mine}, Account: disk{err: mine},
			Readers: signers(mine), State: disk{err: mine}.Check(nil)}, turn, words(turn...)},
		"a signer": {switching, foresight.Parts{Readers: signers(full)}, turn, words(turn[0], turn[2], turn[3])},
		"a signer's, quota": {switching, foresight.Parts{Readers: signers(quota)}, turn,
			words(turn[0], turn[2], turn[3])},
		"a signer in a flight": {at(rotate.Ready, time.Unix(1, 0)), foresight.Parts{Readers: signers(full)}, turn,
			words(turn[0], turn[2], turn[3])},
		"a signer, first of all": {switching, foresight.Parts{Readers: signers(full)}, turn[1:], words(turn[2], turn[3])},
		"the account":            {switching, foresight.Parts{Account: disk{err: full}}, turn, words(turn[3])},
		"the account, another duty": {switching, foresight.Parts{Account: disk{err: full}},
			append(turn[:1:1], flight), words(flight)},
		"the keystore": {switching, foresight.Parts{Keys: disk{err: full}},
			append(steps(rotate.Generate, rotate.StoreKey), turn[3]), words(turn[3])},
		"the state":     {switching, foresight.Parts{State: disk{err: full}.Check(nil)}, turn, nil},
		"the audit log": {ready, foresight.Parts{Switches: disk{err: full}.Check(nil)}, turn, words(turn[0], turn[3])},
		"the first key": {rotate.State{}, foresight.Parts{Keys: disk{err: full}}, steps(rotate.Generate), nil},
		"the first key, signer": {rotate.State{}, foresight.Parts{Readers: signers(full)},
			steps(rotate.Generate), nil},
		"the first key, state": {rotate.State{}, foresight.Parts{State: disk{err: full}.Check(nil)},
			steps(rotate.Generate), nil},
		"the first key, account": {rotate.State{}, foresight.Parts{Account: disk{err: full}}, steps(rotate.Generate), nil},
		"nothing to do":          {switching, foresight.Parts{State: disk{err: full}.Check(nil)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			seen := rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": {}, "mx2": {}}}
			made := tt.parts.Foreseen(t.Context(), want, tt.st, rotate.DomainPlan{Steps: tt.steps, Seen: seen})
			if got := words(made.Steps...); !slices.Equal(got, tt.left) {
				t.Errorf("it promises %q, want %q", got, tt.left)
			}
			if stops := len(tt.left) < len(tt.steps); (made.Stop != nil) != stops {
				t.Errorf("it stops with %v", made.Stop)
			} else if stops && !errors.Is(made.Stop, syscall.ENOSPC) && !errors.Is(made.Stop, syscall.EDQUOT) {
				t.Errorf("it stops with %v, not for want of room", made.Stop)
			}
		})
	}
	made := foresight.Parts{Keys: disk{err: full}}.Foreseen(t.Context(), want, ready, rotate.DomainPlan{Steps: turn[1:3]})
	if len(made.Steps) != 2 || !slices.ContainsFunc(made.Warnings, func(w finding.Warning) bool {
		return w.Code == codes.ReplacementRefused
	}) {
		t.Errorf("before a switch after which no key can be stored: %v, %v", made.Steps, made.Warnings)
	}
}

type fsError struct{ error }

func (e *fsError) Unwrap() error { return e.error }

func words(all ...rotate.Step) (out []string) {
	for _, s := range all {
		out = append(out, s.Words())
	}
	return out
}
