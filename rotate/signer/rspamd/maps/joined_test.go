package maps

import (
	"regexp"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest/joined"
)

func TestJoinedNames(t *testing.T) {
	line := regexp.MustCompile("(?m)^a[.]example[.]br .*")
	s := adapter(signertest.NewRspamd(t), everyMap)
	joined.Run(t, joined.Subject{Signer: later{s}, Domain: "a.example.br",
		Selector: func(own string) string { return "br." + own },
		Want:     func(err error, code string, words ...string) { t.Helper(); signertest.WantCode(t, err, code, words...) },
		Lead: func(selector string) {
			for _, path := range []string{s.cfg.SelectorMap, s.cfg.ArcSelectorMap} {
				write(t, path, line.ReplaceAllString(read(t, path), "a.example.br "+selector))
			}
		}})
}
