package plan_test

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/order"
)

// ordered gives an order in a scene.
func ordered(s *scene, o rotate.Instruction) (rotate.State, []rotate.Event, error) {
	req := s.Want.Request
	req.Instruction = o
	return order.Apply(s.Now, s.Want.Domain, req, s.Have, s.Seen)
}
