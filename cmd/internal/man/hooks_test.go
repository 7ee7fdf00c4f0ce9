package man

import (
	"go/ast"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Every field that hooks, webhooks, the audit log and exec signers get stands in
// dkimbot-hooks(7), and so does every variable and every event. What exec signers get stands beside their example, too.
func TestHooksStandInTheirPage(t *testing.T) {
	here, where := described(page(t, "dkimbot-hooks.7")), "dkimbot-hooks(7)"
	text, err := os.ReadFile(top + "/examples/signers/README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := Parse("# signers(7): their README\n" + string(text))
	if err != nil {
		t.Fatal(err)
	}
	beside := described(readme)
	seen := 0
	want := func(name string) {
		seen++
		if !here[name] && !here["domains[]."+name] && !here["error."+name] {
			t.Errorf("%s does not have %s", where, name)
		}
	}
	structs := map[string]bool{"NoticeDocument": true, "Request": true, "Entry": true}
	see := func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if fields, ok := n.Type.(*ast.StructType); ok && structs[n.Name.Name] {
				for _, f := range fields.Fields.List {
					if f.Tag != nil { // what has none stands in no document
						want(jsonName(f))
					}
				}
			}
		case *ast.ValueSpec: // the events
			for _, v := range n.Values {
				if s := word(v); s != "" && n.Type == nil {
					want(s)
				}
			}
		case *ast.CompositeLit: // variables: {"EVENT", d.Event}
			if len(n.Elts) == 2 && n.Type == nil {
				if s := word(n.Elts[0]); s != "" && strings.ToUpper(s) == s {
					want("DKIMBOT_" + s)
				}
			}
		}
		return true
	}
	source(t, "cmd/internal", func(path string, file *ast.File) {
		if strings.HasPrefix(file.Name.Name, "noti") && strings.HasSuffix(path, "/document.go") {
			ast.Inspect(file, see)
		}
	})
	source(t, "cmd/internal/report", func(path string, file *ast.File) {
		if strings.HasSuffix(path, "/notice.go") {
			ast.Inspect(file, see)
		}
	})
	source(t, "rotate/signer/protocol", func(path string, file *ast.File) {
		if strings.HasSuffix(path, "/protocol.go") {
			ast.Inspect(file, see)
			page := here
			here, where = beside, "examples/signers/README.md"
			ast.Inspect(file, see)
			here, where = page, "dkimbot-hooks(7)"
		}
	})
	if seen < 35 {
		t.Errorf("the source has only %d fields, variables and events", seen)
	}
}

func jsonName(f *ast.Field) string {
	tag, _ := strconv.Unquote(f.Tag.Value)
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if name == "error" || name == "domains" { // documents of their own, whose fields are listed
		return name + map[string]string{"error": ".message", "domains": "[].domain"}[name]
	}
	return name
}
