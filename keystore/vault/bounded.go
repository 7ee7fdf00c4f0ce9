package vault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/hashicorp/vault/api"
)

// maxAnswer is far more than Vault answers to any request of ours. The client reads whole answers into
// memory, so one without end would take all that the machine has.
const maxAnswer = 1 << 20

var errLarge = errors.New("the answer is larger than 1 MiB")

// bounded reads an answer whole, up to maxAnswer, before it hands it on: Vault's client ends the request of a raw write
// before its answer's body has been read, and a body that comes a moment after the head, as through many proxies, would
// be lost.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return resp, err
	}
	body := resp.Body
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		text, err = text[:maxAnswer], errLarge
	}
	resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text), failing{err}))
	return resp, nil
}

// failing is the end of an answer: the error with which it was cut off, or none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }

// bound makes conf's client bound what it reads.
func bound(conf *api.Config, tr *http.Transport) {
	tr.MaxResponseHeaderBytes = maxAnswer
	if socket, ok := strings.CutPrefix(conf.Address, "unix://"); ok { // Vault's client does this for a bare transport only
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		conf.Address = "http://localhost"
	}
	conf.HttpClient.Transport = bounded{tr}
}
