package providers

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Check finds the zone, reads what stands at the name, and asks to remove a record by an id that was made up just
// now. The service looks at the token's rights first; that it knows no such record proves them.
func (a *cloudflareAccount) Check(ctx context.Context, rec dkim.TXT) error {
	var zones []struct{ ID string }
	if err := a.request(ctx, http.MethodGet, "/zones?name="+url.QueryEscape(rec.Zone), &zones); err != nil {
		return a.explain(err)
	}
	records := "/zones/" + url.PathEscape(zones[0].ID) + "/dns_records"
	if err := a.request(ctx, http.MethodGet, records+"?type=TXT&name="+url.QueryEscape(rec.Owner), nil); err != nil {
		return a.explain(err)
	}
	var id [16]byte
	rand.Read(id[:])
	err := a.request(ctx, http.MethodDelete, fmt.Sprintf("%s/%x", records, id), nil)
	var e *cloudflareError
	switch {
	case err == nil:
		return accepted()
	case errors.As(err, &e) && e.has(noSuchRecord):
		return nil
	}
	return a.explain(err)
}

// noSuchRecord is the code for an id that no record has.
const noSuchRecord = 81044

// request makes one request and reads the result of its answer.
func (a *cloudflareAccount) request(ctx context.Context, method, path string, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, cloudflareURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := a.client.Do(req)
	if err != nil || result == nil {
		return err
	}
	envelope := struct{ Result any }{result}
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
