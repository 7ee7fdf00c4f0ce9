package simulate

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// obliging takes DNS to show whatever key a person gives.
type obliging struct{ *process }

func (p obliging) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if p.adopting == nil {
		return sight, err
	}
	for _, k := range p.adopting.Keys {
		if k.Name == name && !p.process.keys.only(sight.Values, k.Key.ID()) {
			sight.Values = []string{dkim.NewRecord(k.Key.Public(), "").String()}
		}
	}
	return sight, err
}

// sweeping publishes at the selectors that signers leave, too.
type sweeping struct{ publisher }

func (p sweeping) Publish(ctx context.Context, rec dkim.TXT) error {
	err := p.publisher.Publish(ctx, rec)
	d := p.domain(p.owners[rec.Owner].name.Domain)
	if err != nil || d.taking == nil || d.taking.adopted {
		return err
	}
	for _, s := range d.taking.selectors {
		n := p.names[nameOf(d.name, s)]
		n.orders++
		if err := p.publishing(n, dkim.TXT{Zone: rec.Zone, Owner: n.name.String(), Value: rec.Value, TTL: rec.TTL}, n.orders,
			p.turn)(); err != nil {
			return err
		}
	}
	return nil
}

// undrained gives a domain whose keys were adopted next to no drain.
func undrained() *tamper {
	return &tamper{domain: func(w *world, d *rotate.Domain) {
		if t := w.domain(d.Name).taking; t != nil && t.adopted && !w.open(w.domain(d.Name)) {
			d.Policy.Drain = time.Hour
		}
	}}
}

// mayGoNow says of records that signers have left that they may go at once.
func mayGoNow(st *rotate.State) {
	for i := range st.Former {
		if f := &st.Former[i]; !f.Until.IsZero() {
			f.Until = st.SwitchedAt
		}
	}
}
