package man

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	codeForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	codeType = regexp.MustCompile(`^(Kind|Phase|Code|Reason|Action|Outcome)$`)
	codeName = regexp.MustCompile(`^[cC]ode[A-Z]`)
)

// codes are what the program's source says: every code with the places that give it,
// and every word at all.
type codes struct {
	given  map[string]bool
	words  map[string]bool
	consts map[string]string
	later  []ast.Expr // what may be a constant that is read later
}

func (c *codes) give(e ast.Expr) {
	if name := nameOf(e); name != "" {
		c.later = append(c.later, e)
	} else if s := word(e); codeForm.MatchString(s) {
		c.given[s] = true
	}
}

// see takes up what a node says: the code of an error, a reason, an action or an outcome.
func (c *codes) see(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BasicLit:
		c.words[word(n)] = true
	case *ast.ValueSpec:
		c.value(n)
	case *ast.CallExpr:
		if slices.Contains([]string{"Refuse", "refused", "troubled", "say"}, nameOf(n.Fun)) && len(n.Args) > 1 {
			c.give(n.Args[0])
		}
	case *ast.CompositeLit:
		c.literal(n)
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			if strings.EqualFold(nameOf(to), "code") && len(n.Rhs) == len(n.Lhs) {
				c.give(n.Rhs[i])
			}
		}
	case *ast.KeyValueExpr:
		if slices.Contains([]string{"Code", "code", "Action", "Outcome"}, nameOf(n.Key)) {
			c.give(n.Value)
		}
	}
	return true
}

func (c *codes) value(n *ast.ValueSpec) {
	for i, name := range n.Names {
		if i >= len(n.Values) || word(n.Values[i]) == "" {
			continue
		}
		value := word(n.Values[i])
		c.consts[name.Name] = value
		if codeType.MatchString(nameOf(n.Type)) || codeName.MatchString(name.Name) || strings.Contains(value, "-") {
			c.give(n.Values[i])
		}
	}
}

// literal sees Reason{"code", ...}, alone and in a list of reasons.
func (c *codes) literal(n *ast.CompositeLit) {
	first := func(n *ast.CompositeLit) {
		if len(n.Elts) == 2 {
			c.give(n.Elts[0])
		}
	}
	if nameOf(n.Type) == "Reason" {
		first(n)
	}
	if list, ok := n.Type.(*ast.ArrayType); ok && nameOf(list.Elt) == "Reason" {
		for _, e := range n.Elts {
			if lit, ok := e.(*ast.CompositeLit); ok {
				first(lit)
			}
		}
	}
}

// Every code that the program can give stands in dkimbot-codes(7) (those of the protocols
// of hooks and signers in dkimbot-hooks(7)), and no other.
func TestCodesStandInTheirPage(t *testing.T) {
	c := codes{given: map[string]bool{}, words: map[string]bool{}, consts: map[string]string{}}
	for _, dir := range []string{"rotate", "state", "keystore", "providers", "cmd"} {
		source(t, dir, func(_ string, file *ast.File) { ast.Inspect(file, c.see) })
	}
	for _, e := range c.later {
		if s := c.consts[nameOf(e)]; codeForm.MatchString(s) {
			c.given[s] = true
		}
	}
	if len(c.given) < 150 {
		t.Fatalf("found only %d codes in the source", len(c.given))
	}
	here, hooks := described(page(t, "dkimbot-codes.7")), described(page(t, "dkimbot-hooks.7"))
	for _, code := range slices.Sorted(maps.Keys(c.given)) {
		if !here[code] && !hooks[code] {
			t.Errorf("the code %s stands in no page", code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(here)) {
		if !c.words[code] {
			t.Errorf("the page has the code %s, and the program does not give it", code)
		}
	}
}
