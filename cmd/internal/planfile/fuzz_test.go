package planfile_test

import (
	"bytes"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// FuzzRead: what is read is exactly what would be written for it, can be rendered as
// a plan of the heart, and whatever else is an error with a hint.
func FuzzRead(f *testing.F) {
	f.Add(some().Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := planfile.Read(data)
		if err != nil {
			if fault.HintOf(err) == "" {
				t.Errorf("no hint: %v", err)
			}
			return
		}
		if !bytes.Equal(data, doc.Encode()) {
			t.Errorf("read and written again it differs:\n%s\n%s", data, doc.Encode())
		}
		for _, d := range doc.Domains {
			if p := d.Plan(); len(p.Steps) != len(d.Steps) || (p.Stop != nil) != (d.Problem != nil) {
				t.Errorf("the plan of %s is %+v", d.Name, p)
			}
		}
	})
}
