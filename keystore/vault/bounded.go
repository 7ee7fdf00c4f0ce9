package vault

import (
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

// bounded fails while an answer is read that is larger than maxAnswer.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if len(p) > b.left+1 { // one octet more says an answer that is too large
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return n - 1, errLarge
	}
	return n, err
}

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
