package app

import (
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
)

// Lags returns the activation lag of every signer that domains use. It touches nothing.
func Lags(cfg *config.Config) (map[string]time.Duration, error) {
	signers, err := newSigners(cfg)
	if err != nil {
		return nil, err
	}
	lags := make(map[string]time.Duration, len(signers))
	for name, s := range signers {
		lags[name] = s.Lag()
	}
	return lags, nil
}
