package testmail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Prove proves that mail signed with key verifies against value, the joined
// TXT record as a Sight shows it: it signs a message and verifies it as a
// receiver would, then checks what a receiver might let pass. A failure
// is a Refused fault with code "self-test". It asks no network.
func Prove(ctx context.Context, key dkim.SigningKey, value string) error {
	what := "test the key of " + key.Name.String() + " against its live record"
	if err := ctx.Err(); err != nil {
		return fault.Interrupted(what, err)
	}
	if key.Key == nil {
		return &fault.Error{Kind: fault.Permanent, What: what, Err: errors.New("there is no key"),
			Hint: "look for it in the keystore"}
	}
	hint, err := explain(key, value)
	if err == nil {
		err = signAndVerify(key, value)
		hint = "compare the record in DNS with the key in the keystore"
	}
	if err != nil {
		return &fault.Error{Kind: fault.Refused, Code: codes.SelfTest, What: what, Err: err, Hint: hint}
	}
	return nil
}

// explain finds the faults that have a name, and those that a verifier hides:
// it treats a signature under t=y as none.
func explain(key dkim.SigningKey, value string) (hint string, err error) {
	r, err := dkim.ParseRecord(value)
	switch {
	case err != nil:
		return "find out who wrote this record, and remove it if it is not needed",
			fmt.Errorf("the record can't be used: %w", err)
	case r.Revoked():
		return "publish the key again", errors.New("the record says that the key is revoked (empty p=)")
	case !r.Key.Equal(key.Key.Public()):
		return "find out whether someone else changed the record or the keystore",
			fmt.Errorf("the record shows the %d-bit key %s, but the private key is %s", r.Key.Bits(), r.Key.ID()[:12],
				key.Key.ID()[:12])
	case r.Testing():
		return "remove the flag from the record",
			errors.New("the record carries the testing flag t=y: verifiers treat the mail as unsigned")
	}
	return "", nil
}

// message has what canonicalization must cope with: folding, runs of spaces,
// spaces at the end of lines, empty lines at the end.
const message = "From: dkimbot self test <postmaster@%s>\r\n" +
	"To: postmaster@%[1]s\r\n" +
	"Subject: a subject  that\r\n\t is folded \r\n" +
	"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n" +
	"Message-ID: <self-test@%[1]s>\r\n" +
	"\r\n" +
	"A line  with spaces \t \r\n" +
	"\r\n" +
	".a dot\r\n" +
	"\r\n\r\n"

func signAndVerify(key dkim.SigningKey, value string) error {
	var signed bytes.Buffer
	err := msgauth.Sign(&signed, strings.NewReader(fmt.Sprintf(message, key.Domain)), &msgauth.SignOptions{
		Domain:                 key.Domain,
		Selector:               key.Selector,
		Signer:                 key.Key.Signer(),
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed,
		BodyCanonicalization:   msgauth.CanonicalizationRelaxed,
		HeaderKeys:             []string{"From", "To", "Subject", "Date", "Message-ID"},
	})
	if err != nil {
		return fmt.Errorf("the key does not sign: %w", err)
	}
	lookup := func(name string) ([]string, error) {
		if name != key.Name.String() {
			return nil, fmt.Errorf("the signature names %s", name)
		}
		return []string{value}, nil
	}
	found, err := msgauth.VerifyWithOptions(&signed, &msgauth.VerifyOptions{LookupTXT: lookup})
	switch {
	case err != nil:
		return fmt.Errorf("the signature does not verify: %w", err)
	case len(found) != 1:
		return fmt.Errorf("the message carries %d signatures", len(found))
	case found[0].Err != nil:
		return fmt.Errorf("the signature does not verify: %w", found[0].Err)
	}
	return nil
}
