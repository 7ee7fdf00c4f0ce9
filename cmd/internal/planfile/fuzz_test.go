package planfile_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// FuzzRead: what is read is exactly what would be written for it, can be rendered as
// a plan of the heart, and whatever else is an error with a hint. What has the
// form of a plan is tried with the right checksum, too.
func FuzzRead(f *testing.F) {
	f.Add(some().Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := planfile.Read(data)
		if err == nil {
			checkRead(t, data, doc)
			return
		}
		if fault.HintOf(err) == "" {
			t.Errorf("no hint: %v", err)
		}
		var forged planfile.Document
		if json.Unmarshal(data, &forged) != nil {
			return
		}
		forged.FormatVersion, forged.Checksum = planfile.FormatVersion, ""
		forged.Checksum = "sha256:" + sum(string(forged.Encode()))
		data = forged.Encode()
		if doc, err = planfile.Read(data); err == nil {
			checkRead(t, data, doc)
		} else if fault.HintOf(err) == "" {
			t.Errorf("no hint, with the right checksum: %v", err)
		}
	})
}

func checkRead(t *testing.T, data []byte, doc planfile.Document) {
	t.Helper()
	if !bytes.Equal(data, doc.Encode()) {
		t.Errorf("read and written again it differs:\n%s\n%s", data, doc.Encode())
	}
	doc.General()
	doc.Plain()
	for _, d := range doc.Domains {
		if p := d.Plan(); len(p.Steps) != len(d.Steps) || (p.Stop != nil) != (d.Problem != nil) {
			t.Errorf("the plan of %s is %+v", d.Name, p)
		}
		if a := doc.Approval(d); a.PlanID != doc.PlanID || len(a.Steps) != len(d.Steps) {
			t.Errorf("the approval for %s is %+v", d.Name, a)
		}
	}
}
