package report

import (
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// fewAlike is how many failures of one code are each worth words of their own.
const fewAlike = 3

// Cause is why domains failed, in the words of the first of them.
type Cause struct {
	Domains []string
	Err     error
}

// Causes puts domains that failed with the same code together, in the order of the first of each, where they are
// more than a few. One without a code stands alone.
func Causes(failed []engine.Result) (out []Cause) {
	times, at := map[codes.Code]int{}, map[codes.Code]int{}
	for _, r := range failed {
		times[fault.CodeOf(r.Err)]++
	}
	for _, r := range failed {
		code := fault.CodeOf(r.Err)
		i, known := at[code]
		if code == "" || times[code] <= fewAlike || !known {
			i, out = len(out), append(out, Cause{Err: r.Err})
			at[code] = i
		}
		out[i].Domains = append(out[i].Domains, r.Domain)
	}
	return out
}
