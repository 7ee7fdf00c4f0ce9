package rotate

import "cmp"

// Nobody stands for whom a look asked where DNS is not to be asked (verify.mode none).
const Nobody = "nobody"

// whom says who was asked for what a sight shows, for people.
func (s Sight) whom() string {
	if s.Unchecked {
		return Nobody
	}
	return cmp.Or(s.Asked, "every authoritative server")
}

// showIt says that those who were asked show a record, or that nobody was asked.
func (s Sight) showIt() string {
	if s.Unchecked {
		return "DNS was not asked (verify.mode none)"
	}
	return s.whom() + " shows it"
}

// askedOf names who is asked about a selector, where it is not all authoritative servers.
func (v *view) askedOf(selector string) string {
	if sight := v.seen.Selectors[selector].Sight; sight.Unchecked || sight.Asked != "" {
		return sight.whom()
	}
	return ""
}

// verifyReason says what a look at a record is for, and whom it asks.
func (v *view) verifyReason(selector string, why Reason) Reason {
	sight := v.seen.Selectors[selector].Sight
	switch {
	case sight.Unchecked:
		why.Message = "DNS is not to be asked (verify.mode none): only the stored key is tested against the record, as it was published"
	case why.Code == "verify":
		why.Message = "the record must show on " + sight.whom() + " before anything relies on it"
	}
	return why
}

// expected returns the values that dkimbot put, or may have put, at the selector's name, for a
// write at a place where nobody was asked what stands there.
func (s Selector) expected() (out []string) {
	for _, k := range []*Key{s.Key, s.Next} {
		if k != nil && !k.PublishedAt.IsZero() {
			out = append(out, k.Record)
		}
	}
	return out
}
