package vault

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// Vault locks a role after five wrong secret ids, so that the right one is of no use. However
// long a wrong one stays configured, there are never five tries without a quarter of an hour
// between two of them.
func TestRefusedCredentialsRest(t *testing.T) {
	refusal := &api.ResponseError{StatusCode: http.StatusBadRequest, Errors: []string{"invalid role or secret ID"}}
	wrong, right := credentials{"role", "wrong"}, credentials{"role", "right"}
	var r refusals
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	wrongInARow, most := 0, 0
	last := start
	for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(time.Second) {
		if err := r.before(wrong, now); err != nil {
			if !errors.Is(err, refusal) {
				t.Fatalf("another error than Vault's: %v", err)
			}
			continue
		}
		if now.Sub(last) > 15*time.Minute {
			wrongInARow = 0
		}
		wrongInARow++
		last, most = now, max(most, wrongInARow)
		r.note(wrong, refusal, now)
	}
	if most >= 5 || most < 2 {
		t.Errorf("%d tries in a row, want 2 to 4", most)
	}
	if err := r.before(right, last); err != nil {
		t.Errorf("new credentials wait: %v", err)
	}
	r.note(right, nil, last)
	if err := r.before(wrong, last); err != nil {
		t.Errorf("remembered after a login: %v", err)
	}
}

// What says nothing about the credentials does not keep them from being shown again.
func TestOtherFailuresDontRest(t *testing.T) {
	c := credentials{"role", "secret"}
	for name, err := range map[string]error{
		"no connection": errors.New("connection refused"),
		"sealed":        &api.ResponseError{StatusCode: http.StatusServiceUnavailable, Errors: []string{"Vault is sealed"}},
		"a proxy":       &api.ResponseError{StatusCode: http.StatusForbidden, RawError: true, Errors: []string{"<html>"}},
	} {
		var r refusals
		now := time.Now()
		r.note(c, err, now)
		if err := r.before(c, now); err != nil {
			t.Errorf("%s: not asked again: %v", name, err)
		}
	}
}
