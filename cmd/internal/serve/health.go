package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Health says of a daemon whether it does its work. Its functions are safe for concurrent use.
type Health struct {
	// Alive reports whether the schedule is at work: if not, only a new start helps.
	Alive func() bool
	// Ready returns why the daemon can't do its work now; nil if it can. It may recover by itself.
	Ready func(context.Context) error
}

// readyTime is how long a daemon has to say whether it is ready.
const readyTime = 10 * time.Second

func (h Health) livez(w http.ResponseWriter, _ *http.Request) {
	if !h.Alive() {
		http.Error(w, "the schedule has not asked for two minutes what is due", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

func (h Health) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	err := h.Ready(ctx)
	switch {
	case err == nil && h.Alive():
		io.WriteString(w, "ok\n")
		return
	case errors.Is(err, context.Canceled):
		err = errors.New("the daemon reads its configuration again, or ends")
	case err == nil:
		err = errors.New("the schedule has not asked for two minutes what is due")
	}
	text := fault.Text(err)
	if hint := fault.HintOf(err); hint != "" {
		text += "\nhint: " + hint
	}
	http.Error(w, text, http.StatusServiceUnavailable)
}
