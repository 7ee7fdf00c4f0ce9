package state

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Encode returns a state or an event as JSON, as it is stored. The error is a fault.
func Encode[T rotate.State | rotate.Event](v T) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fault.Lasting("encode what is to be stored", err, "a time in it may lie outside of the years 0 to 9999")
	}
	return string(body), nil
}

// Decode reads what Encode wrote for the domain at the revision. It is an error
// if the body speaks of another.
func Decode(body []byte, domain string, revision int64) (rotate.State, error) {
	var st rotate.State
	if err := json.Unmarshal(body, &st); err != nil {
		return rotate.State{}, fmt.Errorf("the stored state of %s can't be read: %w", domain, err)
	}
	if st.Domain != domain || st.Revision != revision {
		return rotate.State{}, fmt.Errorf("the stored state of %s at revision %d says that it is %q at revision %d",
			domain, revision, st.Domain, st.Revision)
	}
	return st, nil
}

// DecodeAll reads the bodies of the domains on all processors, and returns their states in the order of the
// domains. stored says false for one that was never stored, and is called for one after the other.
func DecodeAll(domains []string,
	stored func(domain string) (body []byte, revision int64, ok bool)) ([]rotate.State, error) {
	out := make([]rotate.State, len(domains))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(domains); from += decodedTogether {
		to := min(from+decodedTogether, len(domains))
		rows := make([]row, to-from)
		for i, domain := range domains[from:to] {
			rows[i].body, rows[i].revision, rows[i].ok = stored(domain)
		}
		group.Go(func() (err error) {
			for i, r := range rows {
				domain := domains[from+i]
				if out[from+i] = Fresh(domain); !r.ok {
					continue
				}
				if out[from+i], err = Decode(r.body, domain, r.revision); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// row is what is stored of one domain.
type row struct {
	body     []byte
	revision int64
	ok       bool
}

// decodedTogether is how many states one goroutine decodes, so that starting it costs little beside that.
const decodedTogether = 32

// Fresh returns the state of a domain that was never stored.
func Fresh(domain string) rotate.State {
	return rotate.State{Domain: domain, Phase: rotate.New}
}

// NewPlanKey returns a random secret to sign saved plans with.
func NewPlanKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return key
}

// NewLineage returns a random UUID (RFC 9562 version 4) for a store just made.
func NewLineage() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
