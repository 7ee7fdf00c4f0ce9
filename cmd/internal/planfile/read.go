package planfile

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// leastObject is how many octets an object of a plan takes at least, on the average: a
// file of nothing but small objects would take a hundred times its size in memory.
const leastObject = 16

// maxSize is room for the plans of a hundred thousand domains.
const maxSize = 1 << 30

// ReadFile reads a saved plan.
func ReadFile(path string) (Document, error) {
	data, err := safefile.Read(path, maxSize)
	if err != nil {
		hint := "name a file that 'dkimbot plan --out FILE' has written"
		if errors.Is(err, fs.ErrPermission) {
			hint = "only its owner can read a plan (mode 0600): run as the user who made it, or allow this user to read it"
		}
		return Document{}, fault.Lasting("read the plan "+path, cause(err), hint)
	}
	doc, err := Read(data)
	if err != nil {
		return Document{}, &fault.Error{Kind: fault.KindOf(err), Code: fault.CodeOf(err), What: "read the plan " + path,
			Err: err, Hint: fault.HintOf(err)}
	}
	return doc, nil
}

// cause leaves out the path, which the message has already, or that of a temporary file.
func cause(err error) error {
	if r := (*safefile.Refused)(nil); errors.As(err, &r) {
		return errors.New("it " + r.Found)
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// WriteFile saves the document, for its owner alone; the file is there as a whole or not at all.
func WriteFile(path string, doc Document) error {
	if err := safefile.Write(path, doc.Encode(), safefile.Ours(0o600)); err != nil {
		hint := cmp.Or(safefile.Remedy(err), "name a file in a directory that you may write to, with room on its disk")
		return fault.Lasting("write the plan to "+path, cause(err), hint)
	}
	return nil
}

// Read reads a document. What is not exactly what Encode writes is refused,
// "damaged-plan".
func Read(data []byte) (Document, error) {
	var head struct {
		FormatVersion *int            `json:"format_version"`
		PlanID        json.RawMessage `json:"plan_id"`
	}
	if bytes.Count(data, []byte("{")) > 64+len(data)/leastObject {
		return Document{}, damaged(errors.New("it is not what 'dkimbot plan' writes: it holds too many objects for its size"))
	}
	err := json.Unmarshal(data, &head)
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return Document{}, damaged(errors.New("it is empty"))
	case err != nil:
		return Document{}, damaged(fmt.Errorf("it is not a JSON document: %w", err))
	case head.FormatVersion == nil || head.PlanID == nil:
		return Document{}, fault.Lasting("it is a JSON document, but no plan", nil,
			"name a file that 'dkimbot plan --out FILE' has written")
	case *head.FormatVersion != FormatVersion:
		return Document{}, fault.Lasting(fmt.Sprintf("it has format version %d, and this dkimbot knows version %d only",
			*head.FormatVersion, FormatVersion), nil,
			"use the version of dkimbot that wrote it, or make a new plan")
	}
	var doc Document
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return Document{}, damaged(err)
	}
	if doc.Checksum != doc.checksum() || !bytes.Equal(data, doc.Encode()) {
		return Document{}, damaged(errors.New("its content does not fit its checksum"))
	}
	if err := doc.check(); err != nil {
		return Document{}, damaged(err)
	}
	return doc, nil
}

func damaged(err error) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.DamagedPlan, What: "it is not as dkimbot wrote it", Err: err,
		Hint: "get the file again as it was written, byte for byte, or make a new plan: 'dkimbot plan --out FILE'"}
}
