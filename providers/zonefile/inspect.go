package zonefile

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Inspection is what a zone file looks like before anything is to be changed in it.
type Inspection struct {
	Path   string
	Err    error          // why dkimbot refuses to change the file; a *Flaw if it has one place
	Hint   string         // the way on from Err
	Unread []*master.Flaw // records that the built-in name server can't answer for
}

// Inspect reads the file of the zone with the longest name that holds name, which
// needs no final dot. Without such a file it returns an Inspection without a path.
func Inspect(dir, name string) Inspection {
	path, zone, err := locate(dir, name)
	if err != nil || path == "" {
		return Inspection{Path: path, Err: err, Hint: hintOf(err)}
	}
	p, err := placeOf(path)
	if err != nil {
		return Inspection{Path: path, Err: err, Hint: hintOf(err)}
	}
	defer p.Close()
	c, err := p.read()
	if err != nil {
		return Inspection{Path: path, Err: err, Hint: hintOf(err)}
	}
	out := Inspection{Path: path}
	if _, out.Err = parseDocument(zone+".", path, c); out.Err != nil {
		out.Hint = remedy(out.Err)
	}
	if r, _, err := master.Read(zone+".", path, c); err == nil {
		if z, err := newZone(r); err == nil {
			out.Unread = z.flaws
		}
	}
	return out
}

// FileOf returns the path of the file that Inspect reads for a name; "" without such a file.
func FileOf(dir, name string) string {
	path, _, _ := locate(dir, name) // Inspect says what is wrong
	return path
}

// locate returns the path of the file of a name's zone and the zone's name, or nothing.
func locate(dir, name string) (path, zone string, err error) {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		zone, err := dkim.ParseDomain(name[off:])
		if err != nil {
			continue // no file can have this name
		}
		file, err := findFile(dir, zone)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Sprintf("%s/%s%s", dir, zone, suffix), zone, err
		}
		return file.path(), zone, file.Close()
	}
	return "", "", nil
}
