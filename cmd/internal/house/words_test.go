package house

import (
	"cmp"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// enough is how long words must be to tell one fault from others.
const enough = 10

// a reader finds the constant words that an expression comes to.
type reader struct {
	constants map[string]ast.Expr        // of the package
	functions map[string][]*ast.FuncDecl // and methods of the package, by name
}

func newReader(files map[string]*ast.File) reader {
	r := reader{map[string]ast.Expr{}, map[string][]*ast.FuncDecl{}}
	for _, file := range files {
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				r.functions[d.Name.Name] = append(r.functions[d.Name.Name], d)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					v, ok := spec.(*ast.ValueSpec)
					for i := 0; ok && i < min(len(v.Names), len(v.Values)); i++ {
						r.constants[v.Names[i].Name] = v.Values[i]
					}
				}
			}
		}
	}
	return r
}

// unknown stands in read's answer for what is not constant.
const unknown = "\x00"

var verb = regexp.MustCompile(`%[-+# 0]*[\d*]*(\.\d+)?(\[\d+\])?[a-zA-Z]`)

// fragments returns the constant pieces of what the expressions say in function in.
func (r reader) fragments(in *ast.FuncDecl, exprs ...ast.Expr) (out []string) {
	for _, e := range exprs {
		for _, text := range r.read(in, e, 3) {
			for piece := range strings.SplitSeq(text, unknown) {
				if piece = plain(piece); piece != "" {
					out = append(out, piece)
				}
			}
		}
	}
	return out
}

// read returns the texts that e may come to, following names and calls to the given depth.
func (r reader) read(in *ast.FuncDecl, e ast.Expr, depth int) []string {
	if depth < 0 {
		return nil
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return r.read(in, e.X, depth)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return []string{text}
		}
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return join(r.read(in, e.X, depth), r.read(in, e.Y, depth))
		}
	case *ast.Ident:
		if values, local := assigned(in, e); local {
			texts := r.all(in, values, depth-1)
			if len(values) > 1 { // each may stand alone, or with another
				return join(join(nil, texts), nil)
			}
			return texts
		}
		if value := r.constants[e.Name]; value != nil {
			return r.read(nil, value, depth-1)
		}
	case *ast.IndexExpr: // of a table of texts
		return r.read(in, e.X, depth)
	case *ast.CompositeLit:
		var out []string
		for _, elt := range e.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			out = append(out, r.read(in, elt, depth-1)...)
		}
		return out
	case *ast.CallExpr:
		return r.call(in, e, depth)
	}
	return nil
}

func (r reader) call(in *ast.FuncDecl, e *ast.CallExpr, depth int) (out []string) {
	switch selected(e.Fun) {
	case "errors.New", "cmp.Or", "errors.Join":
		return r.all(in, e.Args, depth)
	case "fmt.Sprintf", "fmt.Errorf":
		for _, format := range r.read(in, e.Args[0], depth) {
			out = append(out, strings.ReplaceAll(verb.ReplaceAllString(format, unknown), "%%", "%"))
		}
		return out
	}
	decls := r.functions[called(e)]
	if len(decls) != 1 {
		return nil
	}
	ast.Inspect(decls[0], func(n ast.Node) bool {
		if ret, ok := n.(*ast.ReturnStmt); ok {
			out = append(out, r.all(decls[0], ret.Results, depth-1)...)
		}
		_, inner := n.(*ast.FuncLit)
		return !inner
	})
	return out
}

func (r reader) all(in *ast.FuncDecl, exprs []ast.Expr, depth int) (out []string) {
	for _, e := range exprs {
		out = append(out, r.read(in, e, depth)...)
	}
	return out
}

// join puts every text of a before every one of b.
func join(a, b []string) (out []string) {
	if len(a) == 0 {
		a = []string{unknown}
	}
	if len(b) == 0 {
		b = []string{unknown}
	}
	for _, x := range a {
		for _, y := range b {
			out = append(out, x+y)
		}
	}
	return out
}

// assigned returns what was assigned to a name before it is used: by its latest
// definition, and since then. It reports whether the name is the function's own.
func assigned(in *ast.FuncDecl, use *ast.Ident) (values []ast.Expr, local bool) {
	if in == nil {
		return nil, false
	}
	for _, list := range []*ast.FieldList{in.Recv, in.Type.Params, in.Type.Results} {
		for i := 0; list != nil && i < len(list.List); i++ {
			local = local || slices.ContainsFunc(list.List[i].Names, func(n *ast.Ident) bool { return n.Name == use.Name })
		}
	}
	note := func(to ast.Expr, value ast.Expr, defined bool) {
		if id, ok := to.(*ast.Ident); ok && id.Name == use.Name && id.Pos() < use.Pos() {
			if local = true; defined {
				values = nil
			}
			if value != nil {
				values = append(values, value)
			}
		}
	}
	ast.Inspect(in, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.End() > use.Pos() && n.Tok == token.ASSIGN {
				break
			}
			for i, to := range n.Lhs {
				var value ast.Expr
				if len(n.Lhs) == len(n.Rhs) {
					value = n.Rhs[i]
				}
				note(to, value, n.Tok == token.DEFINE)
			}
		case *ast.ValueSpec:
			for i, to := range n.Names {
				var value ast.Expr
				if i < len(n.Values) {
					value = n.Values[i]
				}
				note(to, value, true)
			}
		case *ast.RangeStmt:
			for _, to := range []ast.Expr{n.Key, n.Value} {
				if to != nil {
					note(to, nil, true)
				}
			}
		}
		return true
	})
	return values, local
}

// plain makes texts comparable that are written as Go, JSON, a regular expression
// or a script's argument: without quotes and backslashes, each white space one space.
func plain(text string) string {
	text = strings.NewReplacer(`\`, "", `"`, "", "'", "", "`", "").Replace(text)
	return strings.Trim(strings.Join(strings.Fields(text), " "), " :;,.()")
}

// distinctive returns the longest of the texts that others counts once only, or "".
func distinctive(texts []string, others func(string) int) string {
	texts = slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return len(s) < enough || others(s) > 1 })
	if len(texts) == 0 {
		return ""
	}
	return slices.MaxFunc(texts, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
}
