package main

import (
	"go/ast"
	"go/parser"
	"slices"
	"strings"
)

// words are the types that the planner, the transitions and the steps are written in. A
// function that has to do with one of them is one of theirs, in whichever file it stands.
var words = []string{"planner", "view", "Judge", "Check", "health", "draft", "order", "Adopter", "run", "forecast", "Compromised",
	"Rollback", "Release", "Reclaim", "Retired", "State", "Selector", "Key", "DomainPlan", "Step", "SelectorSeen"}

// wholly are packages of which each function is one of theirs.
var wholly = []string{"plan", "order", "adoption", "health", "observe", "finding"}

// decides reports whether a function belongs to the planner, the transitions or the steps.
func decides(pkg string, fn *ast.FuncDecl) bool {
	found := slices.Contains(wholly, pkg)
	look := func(fields *ast.FieldList) {
		if fields == nil {
			return
		}
		for _, f := range fields.List {
			ast.Inspect(f.Type, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				found = found || ok && slices.Contains(words, id.Name)
				return true
			})
		}
	}
	look(fn.Recv)
	look(fn.Type.Params)
	look(fn.Type.Results)
	return found
}

// pure are functions that change nothing, so that a condition which calls no other can be
// evaluated to see whether it makes a difference.
var pure = strings.Fields(`len max min string After Before Equal IsZero Sub Add Contains HasPrefix HasSuffix Index
	CodeOf KindOf ID Err Runnable leaked selector Other wanted sameRecord relied mayBeUsed known usable inPlace
	dropped obstacle handsOff replaced identify heldAll keeping standing fleeing haven refuge hurried
	ours inHands inUse confirmed keyed recordKeyID lostAll knowsSelectors underManagement anyLeaked
	prepares renewable givenUp revokedValue resumable stale outrun overtaken replacedBefore spares
	mayRevoke noneSigns anySays adopting leaving quiet CacheWait`)

// isPure reports whether a function is one of them; between rooms its name begins with a capital.
func isPure(name string) bool {
	return slices.ContainsFunc(pure, func(p string) bool { return strings.EqualFold(p, name) })
}

// harmless reports whether an expression calls nothing that may change something.
func harmless(text string) bool {
	e, err := parser.ParseExpr(text)
	if err != nil {
		return false
	}
	ok := true
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			ok = false
		case *ast.CallExpr:
			switch f := n.Fun.(type) {
			case *ast.Ident:
				ok = ok && isPure(f.Name)
			case *ast.SelectorExpr:
				ok = ok && isPure(f.Sel.Name)
			default:
				ok = false
			}
		}
		return ok
	})
	return ok
}
