package console

import (
	"context"
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// end prints an error and returns the exit code for it. Where a document was asked
// for and none was printed, the error is one, beside the words on standard error.
func (p *Program) end(ctx context.Context, err error, asJSON bool) int {
	if err == nil {
		return ExitDone
	}
	doc, code := p.say(ctx, err)
	if asJSON && p.stdout.n == 0 && p.stdout.err == nil {
		if err := report.JSON(p.Out, doc); err != nil {
			p.ErrText().Problem(p.unwritten(err))
		}
	}
	return code
}

// say prints an error in words, and returns its document and exit code.
func (p *Program) say(ctx context.Context, err error) (report.ErrorDocument, int) {
	var (
		code  Exit
		usage *UsageError
		bad   config.Errors
	)
	t := p.ErrText()
	switch {
	case errors.As(err, &code):
		return report.NewError(context.Canceled, ""), int(code) // all that ends without a document was interrupted
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(p.Err, "Interrupted before anything was begun. Run the same command again.")
		return report.NewError(context.Canceled, ""), ExitError
	case errors.As(err, &usage):
		t.Problem(usage.fault())
		return report.NewError(usage.fault(), codes.Usage), ExitUsage
	case errors.As(err, &bad):
		t.Configuration(Mistakes(bad))
		return report.NewConfigurationError(Mistakes(bad)), ExitError
	}
	t.Problem(err)
	if fault.KindOf(err) == fault.Refused {
		return report.NewError(err, codes.Refused), ExitRefused
	}
	return report.NewError(err, codes.Error), ExitError
}

// Unchanged says that a command that changes nothing was interrupted.
func (p *Program) Unchanged() error {
	fmt.Fprintln(p.Err, "Interrupted. Nothing was changed.")
	return Exit(ExitError)
}

// heard returns the error that the program ends with: err, or that standard output took no words. Where the exit code
// says how the work ended, it stays.
func (p *Program) heard(err error) error {
	var code Exit
	switch {
	case p.stdout.err == nil:
	case err == nil, errors.Is(err, p.stdout.err):
		return p.unwritten(p.stdout.err)
	case errors.As(err, &code):
		p.ErrText().Problem(p.unwritten(p.stdout.err))
	}
	return err
}

// unwritten is the error of words that standard output did not take. Who reads only that would run the command again,
// which may be more than was wanted: another rotation.
func (p *Program) unwritten(err error) error {
	const what = "write to standard output"
	if p.worked {
		return fault.Lasting(what, err, "the work itself was done as far as it could be: see 'dkimbot status' and "+
			"'dkimbot history' before you run the same command again")
	}
	return fault.Lasting(what, err, "make room, or write elsewhere")
}

// Document prints the document of work that was done. That it can't be written is reported when the program ends, and
// is no failure of the work.
func (p *Program) Document(doc any) error {
	if err := report.JSON(p.Out, doc); err != nil && p.stdout.err == nil {
		return err
	}
	return nil
}

// jsonAsked reports whether a document was asked for, also on a command line that
// is wrong.
func jsonAsked(args []string) bool {
	for i, a := range args {
		switch {
		case a == "--":
			return false
		case a == "--json", a == "--json=true", a == "--format=json", a == "--format" && i+1 < len(args) &&
			args[i+1] == "json":
			return true
		}
	}
	return false
}
