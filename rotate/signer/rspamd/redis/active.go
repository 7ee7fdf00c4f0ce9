package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	client "github.com/redis/go-redis/v9"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// chunk is how many domains one request is about.
const chunk = 500

// field is the name of a key in its hash.
func field(n dkim.Name) string { return n.Selector + "." + n.Domain }

// KeyPlace says where rspamd looks for a selector's key.
func (c Config) KeyPlace(n dkim.Name) string {
	return fmt.Sprintf("%s in database %d of Redis at %s", module{keys: c.KeyPrefix}.at(n), c.DB, c.Address)
}

// at says in messages where a key of a module is.
func (m module) at(n dkim.Name) string { return "field " + field(n) + " of " + m.keys }

// Active returns what each of the domains is signed with: Redis is asked as rspamd asks it. A domain without a
// selector, or whose selector has no key, is left out; so is one whose fields for dkim_signing and arc differ, since
// neither is then the only one. A domain for which a replica
// shows something else fails. Where rspamd itself can be asked, what it signs with counts.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	for part := range slices.Chunk(domains, chunk) {
		found, err := s.signing(ctx, db, part)
		if err != nil {
			return nil, s.fault(ctx, "find out what signs", err)
		}
		behind, err := s.behind(ctx, found)
		if err != nil {
			return nil, err
		}
		maps.Copy(failed, behind)
		for domain, refs := range found {
			if first := refs[0]; first.KeyID != "" && first == refs[len(refs)-1] && failed[domain] == nil {
				active[domain] = first
			}
		}
	}
	return s.cfg.Witness.Seen(ctx, domains, active, failed)
}

// signing returns, for each domain, what each module signs it with.
func (s *Signer) signing(ctx context.Context, db *client.Client, domains []string) (map[string][]dkim.Ref, error) {
	out := map[string][]dkim.Ref{}
	for _, m := range s.modules() {
		selectors, err := db.HMGet(ctx, m.selectors, domains...).Result()
		if err != nil {
			return nil, err
		}
		var refs []dkim.Ref
		var fields []string
		for i, selector := range texts(selectors) {
			n := dkim.Name{Domain: domains[i], Selector: selector}
			refs, fields = append(refs, dkim.Ref{Name: n}), append(fields, field(n))
		}
		keys, err := db.HMGet(ctx, m.keys, fields...).Result()
		if err != nil {
			return nil, err
		}
		for i, key := range texts(keys) {
			if refs[i].Selector != "" {
				refs[i].KeyID = keyfiles.KeyIDIn([]byte(key))
			}
			refs[i].Selector = strings.ToLower(refs[i].Selector)
			out[domains[i]] = append(out[domains[i]], refs[i])
		}
	}
	return out, nil
}
