package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check says what is to be asked of an address beforehand: that the daemon can answer there. A daemon that
// does so already is well. No part when address is "".
func Check(address string) []preflight.Part {
	if address == "" {
		return nil
	}
	return []preflight.Part{{Kind: "serve", Name: address, Questions: []preflight.Question{
		{What: "the daemon can answer there", Ask: func(ctx context.Context) error { return mayListen(ctx, address) }},
	}}}
}

func mayListen(ctx context.Context, address string) error {
	err := tryListen(address)
	if errors.Is(err, syscall.EADDRINUSE) && isDaemon(ctx, address) {
		return nil
	}
	if err == nil {
		return nil
	}
	return unusable(address, err)
}

// tryListen listens for a moment, where that leaves nothing behind.
func tryListen(address string) error {
	path, unix := strings.CutPrefix(address, unixPrefix)
	if unix {
		if c, err := net.DialTimeout("unix", path, headTime); err == nil {
			c.Close()
			return syscall.EADDRINUSE
		}
		return safefile.MayMake(filepath.Dir(path))
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// isDaemon reports that a daemon of dkimbot answers at the address.
func isDaemon(ctx context.Context, address string) bool {
	client := http.Client{Timeout: headTime, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, host string) (net.Conn, error) {
			if path, unix := strings.CutPrefix(address, unixPrefix); unix {
				network, host = "unix", path
			}
			return (&net.Dialer{}).DialContext(ctx, network, host)
		}}}
	host := address
	if strings.HasPrefix(address, unixPrefix) {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/metrics", host), nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	return err == nil && strings.Contains(string(text), "dkimbot_build_info")
}

func unusable(address string, err error) error {
	return fault.Lasting("serve metrics and status at "+address, err,
		"choose another address at serve.listen, or end the program that uses this one")
}
