package host_test

import (
	"fmt"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/agenttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// BenchmarkSwitch switches 1,000 domains through an agent: one wish, one call of its adapter, one report.
func BenchmarkSwitch(b *testing.B) {
	l := &lab{ring: &ring{keys: map[dkim.Name][]*dkim.PrivateKey{}}, table: newTable(), keys: signertest.Keys(b, 2)}
	l.board = &agenttest.Board{Now: l.Now}
	s, err := agent.Defaults().Open("mx1", nil)
	if err != nil {
		b.Fatal(err)
	}
	l.asks = storing{s.(*agent.Signer), l.ring}
	l.asks.Through(l.board)
	l.asks.By(l)
	h := &host.Host{Agent: "mx1", Poll: 1e9, Board: l.board, Keys: l.ring, Signer: l.table, Memory: &memory{}, Now: l.Now}
	turn := func() {
		if _, err := h.Turn(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	turn()
	l.during = turn
	writes, calls := l.board.Writes(), l.table.calls
	for n := 0; b.Loop(); n++ {
		var keys []dkim.SigningKey
		for i := range 1000 {
			keys = append(keys, signertest.At(fmt.Sprintf("d%04d.example", i), []string{"s1", "s2"}[n%2], l.keys[n%2]))
		}
		if err := l.asks.Activate(b.Context(), keys); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(l.board.Writes()-writes)/float64(b.N), "writes/op")
	b.ReportMetric(float64(l.table.calls-calls)/float64(b.N), "calls/op")
}
