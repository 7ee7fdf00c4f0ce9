package config

import (
	"math"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
)

// Share is a number of domains, or a part of all. The zero Share is no limit.
type Share struct {
	Count   int     `json:"count,omitempty"`
	Percent float64 `json:"percent,omitempty"`
}

// of returns how many of all domains the share is: one at least.
func (s Share) of(all int) int {
	if s.Percent > 0 {
		return max(1, int(math.Ceil(float64(all)*s.Percent/100)))
	}
	return s.Count
}

// ReadValue implements node.Reader.
func (s *Share) ReadValue(v node.Value) {
	text, whole := v.Raw()
	if percent, isShare := strings.CutSuffix(text, "%"); isShare {
		if f, err := strconv.ParseFloat(percent, 64); err == nil && f > 0 && f <= 100 {
			s.Percent = f
			return
		}
	} else if n, err := strconv.Atoi(text); err == nil && n > 0 && whole {
		s.Count = n
		return
	}
	v.Fail("is not a number of domains", "write how many domains may begin to switch, 50, or which part of all, 10%; "+
		"leave the key out for no limit")
}
