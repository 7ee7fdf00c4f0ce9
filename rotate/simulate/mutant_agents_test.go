package simulate

import (
	"context"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	agents "github.com/dkimbot/dkimbot/rotate/signer/agent/host"
)

// TestAgents: with every host behind an agent that is late, away for days or on a host that was built again, no mail
// fails, and what is said is so.
func TestAgents(t *testing.T) {
	for seed := uint64(1); seed <= 8 && !(raceEnabled && seed > 1); seed++ {
		sc := scenario(seed, All)
		sc.classes = agentsClass | truths
		sc.Replay += " -classes agents,truths"
		if v := Run(sc).Violation; v != nil {
			t.Error(v)
		}
	}
}

// agentMutants break what the two sides promise each other.
var agentMutants = []mutant{
	{"what an agent was asked for is taken to be in effect", []string{"I1", "I2", "I7", "I10"}, 20, All,
		agentsSay(func(b behind, domain string) (dkim.Ref, bool) {
			page, _ := b.board.Read(context.Background(), agent.WishAt(b.host.name))
			wish, _ := agent.ReadWish(b.host.name, page)
			w, ok := wish.Keys[domain]
			return w.Ref(domain), ok
		})},
	{"an agent that is away is taken to sign with what it reported last", []string{"I1", "I2", "I10"}, 40, All,
		agentsSay(func(b behind, domain string) (dkim.Ref, bool) {
			page, _ := b.board.Read(context.Background(), agent.ReportAt(b.host.name))
			report, _ := agent.ReadReport(b.host.name, page)
			s, ok := report.Keys[domain]
			return dkim.Ref{Name: nameOf(domain, s.Selector), KeyID: s.KeyID}, ok && s.Selector != ""
		})},
	{"an agent does again what it did before", []string{"I1", "I2", "I6", "I7"}, 40, All, func() *tamper {
		return &tamper{parts: func(p *process, _ *engine.Parts) {
			for _, h := range p.hosts {
				h.agent.real.Memory, h.agent.real.Board = unremembering{h.agent}, discreetBoard{h.agent.real.Board}
			}
		}}
	}},
}

// TestAgentMutants: the oracles can fail there, too.
func TestAgentMutants(t *testing.T) {
	hunt(t, agentMutants, agentsClass)
}

// agentsSay has Active return what signs finds, and Activate ask and be content with it.
func agentsSay(signs func(b behind, domain string) (dkim.Ref, bool)) func() *tamper {
	return func() *tamper {
		return &tamper{parts: func(p *process, parts *engine.Parts) {
			for name, s := range parts.Signers {
				parts.Signers[name] = credulousOf{s.(behind), signs}
			}
		}}
	}
}

type credulousOf struct {
	behind
	signs func(b behind, domain string) (dkim.Ref, bool)
}

func (c credulousOf) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	if err := c.reads("ask", c.host.name); err != nil {
		return nil, err
	}
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if ref, ok := c.signs(c.behind, d); ok {
			out[d] = ref
		}
	}
	return out, nil
}

// Hosts says nothing beside that.
func (c credulousOf) Hosts(context.Context, []string) (map[string]dkim.Ref, error) { return nil, nil }

func (c credulousOf) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	err := c.behind.Activate(ctx, keys)
	if active, _ := c.Active(ctx, []string{keys[0].Domain}); active[keys[0].Domain] == keys[0].Ref() {
		return nil
	}
	return err
}

// unremembering remembers nothing of what was in effect.
type unremembering struct{ *agentOn }

func (f unremembering) Load() (agents.Memo, error) {
	m, err := f.agentOn.Load()
	m.Applied = nil
	return m, err
}

// discreetBoard says nothing of what was found astray.
type discreetBoard struct{ agent.Board }

func (b discreetBoard) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	r, err := agent.ReadReport(path[:len(path)-len("/report")], agent.Page{Text: text})
	if err != nil {
		return 0, err
	}
	for d, k := range r.Keys {
		k.Drifted = nil
		r.Keys[d] = k
	}
	if text, err = agent.Text(r); err != nil {
		return 0, err
	}
	return b.Board.Write(ctx, path, text, after)
}
