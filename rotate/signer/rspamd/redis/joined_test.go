package redis

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/joined"
)

func TestJoinedNames(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	joined.Run(t, joined.Subject{Signer: New(config(r)), Domain: "mail.a.example",
		Selector: func(own string) string { return own + ".mail" },
		Want:     func(err error, code string, words ...string) { t.Helper(); signertest.WantCode(t, err, code, words...) },
		Lead: func(selector string) {
			r.Do(t, "hset", "DKIM_SELECTORS", "mail.a.example", selector)
			r.Do(t, "hset", "ARC_SELECTORS", "mail.a.example", selector)
		}})
}
