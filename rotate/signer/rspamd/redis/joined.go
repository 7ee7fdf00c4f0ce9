package redis

import (
	"context"
	"slices"
	"strings"

	client "github.com/redis/go-redis/v9"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// rspamd joins selector and domain to the name of a field, so that two domains may have the same one.

// forDomain begins the word of a note that says which domain a key was written for.
const forDomain = "for:"

// note is the text of a note about keys that were written for a domain.
func note(domain string, ids ...string) string {
	return strings.Join(append(slices.Clone(ids), forDomain+domain), " ")
}

// writtenFor returns the domain that dkimbot wrote the key in a field for; "" where no note says so.
func (p place) writtenFor(i int) string {
	for word := range strings.FieldsSeq(p.notes[i]) {
		if domain, is := strings.CutPrefix(word, forDomain); is && p.own(i) {
			return domain
		}
	}
	return ""
}

// users returns, for each name, another domain whose selector has rspamd look into the same field; "" for none.
func (m module) users(ctx context.Context, db *client.Client, names []dkim.Name) ([]string, error) {
	var domains, selectors []string
	var of []int
	for i, n := range names {
		for selector, domain := range signer.Partings(field(n)) {
			if domain != n.Domain {
				domains, selectors, of = append(domains, domain), append(selectors, selector), append(of, i)
			}
		}
	}
	out := make([]string, len(names))
	if len(domains) == 0 {
		return out, nil
	}
	found, err := db.HMGet(ctx, m.selectors, domains...).Result()
	if err != nil {
		return nil, err
	}
	for j, selector := range texts(found) {
		if selector == selectors[j] {
			out[of[j]] = domains[j]
		}
	}
	return out, nil
}

// occupied returns the other domain that keeps a key of this one from its field: one whose selector leads there; or
// the one that the key there was written for, while this domain is not signed with it. now says what signs this domain.
func (p place) occupied(i int, k dkim.SigningKey, now dkim.Ref) string {
	switch writer := p.writtenFor(i); {
	case now.Name == k.Name && p.held(i) == k.Ref().KeyID:
		return ""
	case p.users[i] != "":
		return p.users[i]
	case writer != "" && writer != k.Domain && now.Name != k.Name && p.held(i) != k.Ref().KeyID:
		return writer
	}
	return ""
}
