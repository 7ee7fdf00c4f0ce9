package opendkim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestReadsAsOpenDKIM compares what the tables are taken to mean with what the
// real daemon does with them.
func TestReadsAsOpenDKIM(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	path := d.KeyDir + "/a.private"
	writeKey(t, d, path, signertest.Keys(t, 1)[0])
	var keyTable strings.Builder
	for i := range 5 {
		fmt.Fprintf(&keyTable, "k%d a.example:k%d:%s # note\n", i, i, path)
	}
	keyTable.WriteString("any %:any:" + path + "\nother b.example:other:" + path + "\n")
	for name, signs := range map[string]string{
		"plain":                       "*@a.example k1\n",
		"first match":                 "*@a.example k1\n*@a.example k2\n",
		"upper case":                  "*@A.Example k1\n",
		"glob before":                 "*@*.example k2\n*@a.example k1\n",
		"glob after":                  "*@a.example k1\n*@*.example k2\n",
		"glob alone":                  "*example k2\n",
		"star":                        "* k3\n",
		"one address":                 "postmaster@a.example k2\n*@a.example k1\n",
		"another address":             "x@a.example k2\n*@a.example k1\n",
		"dot is a dot":                "*@axexample k2\n*@a.example k1\n",
		"expression":                  "post[a-m]aster@a.example k1\n(postmaster|root)@a[.]example k2\n",
		"leading space means nothing": " *@a.example k1\n*@a.example k2\n",
		"commented":                   "#*@a.example k1\n*@a.example k2#x\n*@a.example k3\n",
		"identity":                    "*@a.example k1:boss@a.example\n",
		"from the sender":             "*@a.example any\n",
		"another domain's name":       "*@a.example other\n",
		"tabs and carriage returns":   "*@a.example\t \tk4 \r\n",
		"long line":                   "#" + strings.Repeat("x", 1022) + "*@a.example k4\n*@a.example k1\n",
		"only a subdomain":            "*@sub.a.example k1\n",
		"nothing":                     "",
	} {
		t.Run(name, func(t *testing.T) {
			write(t, d.KeyTable, keyTable.String())
			write(t, d.SigningTable, signs)
			d.Restart(t)
			c := d.Connect(t)
			defer c.Close()
			answer := c.Mail("postmaster@a.example")
			want := ""
			if s := answer.Selectors("a.example"); len(s) == 1 {
				want = s[0]
			}
			view, err := newSigner(t, d, nil).readView()
			if err != nil {
				t.Fatal(err)
			}
			if use, _ := view.Domain("a.example"); use.Selector != want {
				t.Errorf("read as selector %q; the daemon: %v", use.Selector, answer)
			}
		})
	}
}
