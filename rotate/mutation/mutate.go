package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// mutant is one change of the source.
type mutant struct {
	id   int
	file string
	line int
	key  string // the function and the change: the same when the code moves
	full string // the change, where key has only its beginning
}

// String says where it is, what its key is, and the whole change where that is longer.
func (m mutant) String() string {
	text := fmt.Sprintf("%s:%d  %s", m.file, m.line, m.key)
	if m.full != "" {
		text += "\n        " + m.full
	}
	return text
}

// site is a place in the source with the changes that can be made there.
type site struct {
	from, to int
	kind     siteKind
	elem     string // of a list: the type of its elements
	alts     []alternative
}

type siteKind int

const (
	condition siteKind = iota // an expression that is true or false
	statement                 // dropped, or not
	list                      // a slice that is looped over
	choice                    // an expression of any type
)

type alternative struct {
	id       int
	text     string
	harmless bool // it can be evaluated to see whether it differs
}

// source is a file whose changes are looked for.
type source struct {
	name    string
	text    []byte
	fset    *token.FileSet
	fn      string // the function that is walked
	sites   []*site
	mutants []mutant
	keys    map[string]int
	next    *int              // the id of the next mutant
	settled map[ast.Expr]bool // the comparisons that are made always true, and never
}

// mutate returns the file with all its changes built in, and what they are.
func mutate(name string, text []byte, next *int) (string, []mutant, error) {
	s := &source{name: name, text: text, fset: token.NewFileSet(), keys: map[string]int{}, next: next,
		settled: map[ast.Expr]bool{}}
	file, err := parser.ParseFile(s.fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		return "", nil, err
	}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil && decides(file.Name.Name, fn) {
			s.fn = fn.Name.Name
			if fn.Recv != nil {
				s.fn = s.of(fn.Recv.List[0].Type) + "." + s.fn
			}
			s.walk(fn)
		}
	}
	slices.SortStableFunc(s.sites, func(a, b *site) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	return s.render(0, len(text), s.sites), s.mutants, nil
}

func (s *source) offset(p token.Pos) int { return s.fset.Position(p).Offset }

func (s *source) of(n ast.Node) string { return string(s.text[s.offset(n.Pos()):s.offset(n.End())]) }

// add notes a change at a node.
func (s *source) add(n ast.Node, kind siteKind, elem, text, what string) {
	const most = 110
	what = strings.Join(strings.Fields(what), " ")
	full := ""
	if len(what) > most {
		full, what = what, what[:most]+"..."
	}
	key := s.fn + ": " + what
	if s.keys[key]++; s.keys[key] > 1 {
		key = fmt.Sprintf("%s #%d", key, s.keys[key])
	}
	*s.next++
	s.mutants = append(s.mutants, mutant{*s.next, s.name, s.fset.Position(n.Pos()).Line, key, full})
	from, to := s.offset(n.Pos()), s.offset(n.End())
	i := slices.IndexFunc(s.sites, func(o *site) bool { return o.from == from && o.to == to && o.kind == kind })
	if i < 0 {
		i = len(s.sites)
		s.sites = append(s.sites, &site{from: from, to: to, kind: kind, elem: elem})
	}
	s.sites[i].alts = append(s.sites[i].alts, alternative{*s.next, text, harmless(text)})
}

// walk finds what can be changed in a function.
func (s *source) walk(fn *ast.FuncDecl) {
	results := []*ast.FieldList{fn.Type.Results} // of the functions around the node
	var depth []ast.Node
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if n == nil {
			if _, lit := depth[len(depth)-1].(*ast.FuncLit); lit {
				results = results[:len(results)-1]
			}
			depth = depth[:len(depth)-1]
			return true
		}
		depth = append(depth, n)
		switch n := n.(type) {
		case *ast.FuncLit:
			results = append(results, n.Type.Results)
		case *ast.BlockStmt:
			s.statements(n.List, results[len(results)-1])
		case *ast.CaseClause:
			s.statements(n.Body, results[len(results)-1])
		case *ast.IfStmt:
			s.whole(n.Cond)
		case *ast.SwitchStmt:
			s.cases(n)
		case *ast.ReturnStmt:
			if r := results[len(results)-1]; r != nil && len(n.Results) == 1 && r.NumFields() == 1 &&
				s.of(r.List[0].Type) == "bool" {
				s.whole(n.Results[0])
			}
		case *ast.RangeStmt:
			s.elements(n.X)
		case *ast.BinaryExpr:
			s.binary(n)
		case *ast.UnaryExpr:
			if n.Op == token.NOT && !s.settled[n] {
				s.add(n, condition, "", s.of(n.X), fmt.Sprintf("%q -> %q", s.of(n), s.of(n.X)))
			}
		case *ast.CallExpr:
			s.call(n)
		}
		return true
	})
}

// whole lets a condition be always true, or never.
func (s *source) whole(e ast.Expr) {
	if id, ok := e.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") {
		return
	}
	s.settled[e] = true
	for _, always := range []string{"true", "false"} {
		s.add(e, condition, "", always, fmt.Sprintf("%q is %s", s.of(e), always))
	}
}

// cases does so for the cases of a switch that has no value.
func (s *source) cases(n *ast.SwitchStmt) {
	if n.Tag != nil {
		return
	}
	for _, c := range n.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			s.whole(e)
		}
	}
}

var swapped = map[token.Token]string{token.EQL: "!=", token.NEQ: "==", token.LSS: "<=", token.LEQ: "<", token.GTR: ">=",
	token.GEQ: ">"}

// binary changes a comparison, or leaves out what stands at one side of an and or an or.
// What is made always true, and never, need not be turned round: who notices neither of
// them does not notice that.
func (s *source) binary(n *ast.BinaryExpr) {
	x, y := s.of(n.X), s.of(n.Y)
	equality := n.Op == token.EQL || n.Op == token.NEQ
	if op, ok := swapped[n.Op]; ok && !(equality && s.settled[n]) {
		s.add(n, condition, "", x+op+y, fmt.Sprintf("%q -> %q", s.of(n), x+" "+op+" "+y))
	}
	if n.Op == token.LAND || n.Op == token.LOR {
		s.add(n, condition, "", x, fmt.Sprintf("%q without %q", s.of(n), y))
		s.add(n, condition, "", y, fmt.Sprintf("%q without %q", s.of(n), x))
		s.settled[ast.Unparen(n.X)], s.settled[ast.Unparen(n.Y)] = true, true
	}
}

// call changes comparisons of times at the boundary, and choices of the larger or smaller.
func (s *source) call(n *ast.CallExpr) {
	if sel, ok := n.Fun.(*ast.SelectorExpr); ok && len(n.Args) == 1 &&
		(sel.Sel.Name == "Before" || sel.Sel.Name == "After") {
		text := fmt.Sprintf("%s || %s.Equal(%s)", s.of(n), s.of(sel.X), s.of(n.Args[0]))
		s.add(n, condition, "", text, fmt.Sprintf("%q at the same time", s.of(n)))
	}
	if id, ok := n.Fun.(*ast.Ident); ok && len(n.Args) == 2 && (id.Name == "max" || id.Name == "min") &&
		harmless(s.of(n)) { // both are evaluated
		for i, a := range n.Args {
			s.add(n, choice, "", s.of(a), fmt.Sprintf("%q without %q", s.of(n), s.of(n.Args[1-i])))
		}
	}
}

// elements drops one of several elements that are looped over.
func (s *source) elements(e ast.Expr) {
	lit, ok := e.(*ast.CompositeLit)
	if !ok || len(lit.Elts) < 2 {
		return
	}
	array, ok := lit.Type.(*ast.ArrayType)
	if !ok {
		return
	}
	for i, drop := range lit.Elts {
		var left []string
		for j, e := range lit.Elts {
			if j != i {
				left = append(left, s.of(e))
			}
		}
		elem := s.of(array.Elt)
		s.add(lit, list, elem, "[]"+elem+"{"+strings.Join(left, ", ")+"}",
			fmt.Sprintf("%q without %q", s.of(lit), s.of(drop)))
	}
}

// statements drops statements one by one.
func (s *source) statements(stmts []ast.Stmt, results *ast.FieldList) {
	for _, st := range stmts {
		switch st := st.(type) {
		case *ast.ExprStmt:
			if strings.HasPrefix(s.of(st), "panic(") {
				continue
			}
		case *ast.AssignStmt:
			if st.Tok == token.DEFINE {
				continue
			}
		case *ast.ReturnStmt:
			if len(st.Results) > 0 || results.NumFields() > 0 {
				continue
			}
		case *ast.IncDecStmt, *ast.BranchStmt, *ast.DeferStmt:
			if b, ok := st.(*ast.BranchStmt); ok && b.Tok != token.CONTINUE && b.Tok != token.BREAK {
				continue
			}
		default:
			continue
		}
		s.add(st, statement, "", "", fmt.Sprintf("drop %q", s.of(st)))
	}
}
