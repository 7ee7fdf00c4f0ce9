package preflight

import (
	"context"
	"errors"
	"syscall"
)

// Room returns the questions whether there is room for what is to be written, made from those about the rights to write
// it: a file system that is full, or that can only be read, stands in everybody's way, also where who plans may write
// less than who rotates.
func Room(all []Question) (out []Question) {
	for _, q := range Rights(all, true) {
		if !q.Disk {
			continue
		}
		ask := q.Ask
		q.Needs, q.Found = "", nil
		q.Ask = func(ctx context.Context) error {
			err := ask(ctx)
			if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || readOnly(err) {
				return err
			}
			return nil
		}
		out = append(out, q)
	}
	return out
}
