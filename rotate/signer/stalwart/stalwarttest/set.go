package stalwarttest

import (
	"encoding/json"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Fail is the type of a Refusal that ends a set where it stands, as an error of the store does.
const Fail = "serverFail"

// set changes objects: creations, then updates in their order, then removals. What is in memory is forgotten
// at the end.
func (s *Server) set(a arguments) (any, *Refusal) {
	s.Sets++
	for operation, n := range map[string]int{"create": len(a.Create), "update": len(a.Update), "destroy": len(a.Destroy)} {
		if n > 0 && s.Forbidden[operation] {
			return nil, &Refusal{"forbidden", "You are not authorized to perform this action."}
		}
	}
	if len(a.Create)+len(a.Update)+len(a.Destroy) > 500 {
		return nil, &Refusal{"requestTooLarge", ""}
	}
	r := result{created: object{}, updated: object{}, notCreated: object{}, notUpdated: object{}, notDestroyed: object{}}
	for _, m := range a.Create {
		s.create(m, &r)
	}
	for _, m := range a.Update {
		s.update(m, &r)
	}
	for _, id := range a.Destroy {
		s.destroy(id, &r)
	}
	if r.ended != nil {
		return nil, r.ended
	}
	if s.CutOff != nil && s.CutOff() {
		return nil, &Refusal{Fail, ""}
	}
	for _, id := range r.touched {
		delete(s.memory, id)
	}
	return object{"accountId": "a1", "created": r.created, "updated": r.updated, "destroyed": r.destroyed,
		"notCreated": r.notCreated, "notUpdated": r.notUpdated, "notDestroyed": r.notDestroyed}, nil
}

type result struct {
	created, updated, notCreated, notUpdated, notDestroyed object
	destroyed, touched                                     []string
	ended                                                  *Refusal // nothing after it is carried out
}

// refused asks the test whether a change fails, and notes that.
func (s *Server) refused(operation string, g *Signature, name string, not object, r *result) bool {
	if r.ended != nil {
		return true
	}
	if s.Refuse == nil {
		return false
	}
	why := s.Refuse(operation, g)
	if why == nil {
		return false
	}
	if not[name] = why; why.Type == Fail {
		r.ended = why
	}
	return true
}

func (s *Server) wrote(g *Signature, r *result) {
	s.Writes++
	r.touched = append(r.touched, g.DomainID)
	if s.Instant != nil {
		s.Instant()
	}
}

func (s *Server) create(m member, r *result) {
	var o struct {
		Type                      string `json:"@type"`
		DomainID, Selector, Stage string
		PrivateKey                struct{ Secret string }
	}
	json.Unmarshal(m.value, &o)
	key, err := dkim.ParsePrivateKey([]byte(o.PrivateKey.Secret))
	if err != nil {
		r.notCreated[m.name] = Refusal{"invalidProperties", "Failed to validate DKIM signature: Failed to build RSA key"}
		return
	}
	if !slices.ContainsFunc(s.Domains, func(d *Domain) bool { return d.ID == o.DomainID }) {
		r.notCreated[m.name] = Refusal{"invalidForeignKey", ""}
		return
	}
	g := &Signature{Type: o.Type, DomainID: o.DomainID, Selector: o.Selector, Stage: o.Stage, Key: key}
	if g.Stage == "" {
		g.Stage = "active"
	}
	if s.refused("create", g, m.name, r.notCreated, r) {
		return
	}
	g.ID = s.id("g")
	s.Signatures = append(s.Signatures, g)
	r.created[m.name] = object{"id": g.ID}
	s.wrote(g, r)
}

func (s *Server) update(m member, r *result) {
	var o struct{ Stage string }
	json.Unmarshal(m.value, &o)
	for _, g := range s.Signatures {
		if g.ID != m.name {
			continue
		}
		want := *g
		if want.Stage = o.Stage; !s.refused("update", &want, m.name, r.notUpdated, r) {
			r.updated[m.name] = nil
			if g.Stage != o.Stage {
				g.Stage = o.Stage
				s.wrote(g, r)
			}
		}
		return
	}
	r.notUpdated[m.name] = Refusal{"notFound", ""}
}

func (s *Server) destroy(id string, r *result) {
	for i, g := range s.Signatures {
		if g.ID != id {
			continue
		}
		if !s.refused("destroy", g, id, r.notDestroyed, r) {
			s.Signatures = slices.Delete(s.Signatures, i, i+1)
			r.destroyed = append(r.destroyed, id)
			s.wrote(g, r)
		}
		return
	}
	r.notDestroyed[id] = Refusal{"notFound", ""}
}
