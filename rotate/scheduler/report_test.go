package scheduler

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestReport: a failure is logged as one; that another process has the domain is no error, and is logged with when it is
// looked at again.
func TestReport(t *testing.T) {
	for _, c := range []struct {
		err         error
		says, never string
	}{
		{errors.New("no answer"), "level=ERROR", "level=INFO"},
		{fault.Refuse(codes.StaleState, "the state is old", "restore a newer copy"), "level=ERROR", "level=INFO"},
		{fault.Refuse(codes.LeaseHeld, "a.test is in use", "wait"), "level=INFO", "level=ERROR"},
	} {
		var log bytes.Buffer
		s := Scheduler{Log: slog.New(slog.NewTextHandler(&log, nil))}
		s.report(engine.Result{Domain: "a.test", Err: c.err}, time.Unix(0, 0))
		if got := log.String(); !strings.Contains(got, c.says) || strings.Contains(got, c.never) ||
			!strings.Contains(got, "domain=a.test") || !strings.Contains(got, "next_try=1970-01-01T00:00:00Z") {
			t.Errorf("%v is logged as %s", c.err, got)
		}
	}
}
