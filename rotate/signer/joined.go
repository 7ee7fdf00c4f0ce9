package signer

import (
	"fmt"
	"iter"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// A program may look for a key under a name that it joins from selector and domain. Since both may hold dots, two
// domains can have one such name: s1.mail of a.test and s1 of mail.a.test are both s1.mail.a.test.

// Joins is implemented by settings of signers whose program joins selector and domain to one name.
type Joins interface {
	// KeyPlace says where the program looks for a key, which another domain's may be, too; "" where it can't be.
	KeyPlace(of dkim.Name) string
}

// Partings yields what is before and what is behind each dot of a joined name.
func Partings(joined string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, r := range joined {
			if r == '.' && !yield(joined[:i], joined[i+1:]) {
				return
			}
		}
	}
}

// Occupied refuses to write a key at a place that is another domain's, too.
func (b *Batch) Occupied(n dkim.Name, place, other string) error {
	return fault.Refuse(codes.ForeignKeyFile,
		fmt.Sprintf("%s: %s is also where a key of %s is, since selector and domain are joined to the same name", b.What(n),
			place, other),
		fmt.Sprintf("if %s has moved away from that selector, the place is free when its old key is destroyed, and this is "+
			"tried again by itself; else name two other selectors, without a dot, in the policy of one of the two, and move it to "+
			"them: 'dkimbot rotate --domain %s --change-selectors', or the same with %s", other, n.Domain, other))
}

// OthersUse refuses to forget a key in a place where the program looks for another domain's.
func OthersUse(ref dkim.Ref, name, place, other string) error {
	return fault.Refuse(codes.KeyInUse,
		fmt.Sprintf("%s: mail of %s is signed with what %s holds", Forgetting(ref, name), other, place),
		fmt.Sprintf("'dkimbot repair --domain %s' writes the key of that domain there, if dkimbot manages it; else give "+
			"it a selector without a dot", other))
}
