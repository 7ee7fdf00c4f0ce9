package zonefile

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Provider keeps records in the zone files of a directory, behind the libdns
// interfaces. All methods are safe for concurrent use, also by several
// processes; those that change something are atomic. Errors are faults.
// The fields must not change once the Provider is in use.
type Provider struct {
	Dir           string        // holds one file a zone: <zone>.zone or <zone>
	Reload        []string      // command that makes a name server read the files again; may be empty
	ReloadTimeout time.Duration // after which the command is killed; 30 seconds when zero
}

// The interfaces that Provider promises.
var (
	_ libdns.RecordGetter   = (*Provider)(nil)
	_ libdns.RecordSetter   = (*Provider)(nil)
	_ libdns.RecordAppender = (*Provider)(nil)
	_ libdns.RecordDeleter  = (*Provider)(nil)
	_ libdns.ZoneLister     = (*Provider)(nil)
)

// GetRecords returns all records of the zone, ours and others'.
func (p *Provider) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	what := "read zone " + zone
	if err := ctx.Err(); err != nil {
		return nil, ioFault(what, err)
	}
	d, err := load(what, p.Dir, zone)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var out []libdns.Record
	for i := range d.foreign {
		out = append(out, typed(plainOf(&d.foreign[i], d.origin)))
	}
	return append(out, typedAll(d.own, d.origin)...), nil
}

// Owns reports whether all TXT records at a name, absolute and without its final dot,
// stand in our block of the zone's file, so that SetRecords may change them.
func (p *Provider) Owns(zone, owner string) (bool, error) {
	d, err := load("read zone "+zone, p.Dir, zone)
	if err != nil {
		return false, err
	}
	defer d.Close()
	return !slices.ContainsFunc(d.foreign, func(rec master.Record) bool {
		return rec.Kind == dns.TypeTXT && dns.CanonicalName(rec.Owner) == owner+"."
	}), nil
}

// ListZones returns the zones that have a file, with their final dots. A file
// without the suffix .zone counts if it holds the zone that it is named after.
func (p *Provider) ListZones(ctx context.Context) ([]libdns.Zone, error) {
	what := "list the zones in " + p.Dir
	if err := ctx.Err(); err != nil {
		return nil, ioFault(what, err)
	}
	dir, err := safefile.OpenDir(p.Dir)
	if err != nil {
		return nil, ioFault(what, err)
	}
	defer dir.Close()
	entries, err := dir.Entries()
	if err != nil {
		return nil, ioFault(what, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var zones []libdns.Zone
	for _, e := range entries {
		name, suffixed := strings.CutSuffix(e.Name(), suffix)
		if n, err := dkim.ParseDomain(name); err != nil || n != name || hidden(e.Name()) {
			continue
		}
		file, err := findFile(p.Dir, name)
		if err != nil {
			continue // a directory, or a link that leads nowhere
		}
		file.Close()
		if !suffixed {
			d, err := load(what, p.Dir, name)
			if err != nil {
				continue
			}
			d.Close()
		}
		zones = append(zones, libdns.Zone{Name: name + "."})
	}
	return zones, nil
}

// SetRecords makes recs the only records of their names and types, atomically.
// Records of these sets outside our block must be among recs already, with the
// same TTL; else the call would have to change them, and is refused with code
// "foreign-record" (invariant I6). Where no server would show a record it is
// refused too: beside a CNAME ("cname"), below a zone cut ("zone-cut") or a
// DNAME ("dname"); and so is a set with several TTLs ("ttl").
func (p *Provider) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.Replace(ctx, zone, recs, nil, false)
}

// Replace is SetRecords, and compares under the same lock: a TXT record of our block that is
// none of recs gives way only when gives says so of its value; nil: always. Else nothing is
// changed, and the call is refused with code "foreign-record" (invariant I6). Where beside is true, a record outside our
// block stays beside recs, with its TTL, if one of ours stood beside it before.
func (p *Provider) Replace(ctx context.Context, zone string, recs []libdns.Record, gives func(value string) bool,
	beside bool) ([]libdns.Record, error) {
	return p.change(ctx, "set", zone, recs, func(d *document, want []dns.RR) (own, result []dns.RR, err error) {
		foreign, recs, err := d.foreignOf(want)
		if err != nil {
			return nil, nil, err
		}
		for i, f := range foreign {
			switch {
			case slices.ContainsFunc(want, sameRecord(f)):
			case !beside || !slices.ContainsFunc(d.own, sameSet(f)):
				return nil, nil, foreignFault(d, recs[i])
			default:
				shareTTL(want, f)
			}
		}
		for _, o := range d.own {
			if o.Header().Rrtype == dns.TypeTXT && gives != nil && slices.ContainsFunc(want, sameSet(o)) &&
				!slices.ContainsFunc(want, sameRecord(o)) && !gives(toLibdns(o, d.origin).Data) {
				return nil, nil, strangeFault(d, o)
			}
		}
		own = slices.DeleteFunc(slices.Clone(d.own), func(o dns.RR) bool { return slices.ContainsFunc(want, sameSet(o)) })
		return append(own, missing(want, foreign)...), want, nil
	})
}

// shareTTL gives those of want that are of a record's set its TTL (RFC 2181 section 5.2).
func shareTTL(want []dns.RR, with dns.RR) {
	for _, w := range want {
		if sameSet(with)(w) {
			w.Header().Ttl = with.Header().Ttl
		}
	}
}

// AppendRecords adds recs, atomically, and returns those that were not there yet.
func (p *Provider) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.change(ctx, "append", zone, recs, func(d *document, want []dns.RR) (own, result []dns.RR, err error) {
		foreign, _, err := d.foreignOf(want)
		if err != nil {
			return nil, nil, err
		}
		added := missing(want, slices.Concat(foreign, d.own))
		return slices.Concat(d.own, added), added, nil
	})
}

// DeleteRecords removes those of our records that match recs, atomically, and
// returns them. If one outside our block matches, the call is refused with code
// "foreign-record" (invariant I6).
func (p *Provider) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	return p.change(ctx, "delete", zone, nil, func(d *document, _ []dns.RR) (own, result []dns.RR, err error) {
		matches := func(have libdns.RR) bool {
			return slices.ContainsFunc(recs, func(rec libdns.Record) bool { return matchesRR(rec.RR(), have, d.origin) })
		}
		if i := slices.IndexFunc(d.foreign, func(f master.Record) bool { return matches(plainOf(&f, d.origin)) }); i >= 0 {
			return nil, nil, foreignFault(d, &d.foreign[i])
		}
		for _, o := range d.own {
			if matches(toLibdns(o, d.origin)) {
				result = append(result, o)
			} else {
				own = append(own, o)
			}
		}
		return own, result, nil
	})
}

// edit returns what our records shall be, and which the caller is to hear of.
type edit func(d *document, recs []dns.RR) (own, result []dns.RR, err error)

// change carries an edit out, under the zone's lock, and has the name server read the file.
func (p *Provider) change(ctx context.Context, verb, zone string, recs []libdns.Record,
	f edit) ([]libdns.Record, error) {
	what := fmt.Sprintf("%s records of zone %s in %s", verb, zone, p.Dir)
	name, err := dkim.ParseDomain(zone)
	if err != nil {
		return nil, fault.Lasting(what, err, "write the zone of the domain as DNS knows it, such as example.com")
	}
	origin := name + "."
	want, err := toRRs(recs, origin)
	if err != nil {
		return nil, fault.Lasting(what, err, "report this as a defect")
	}
	// A missing zone must not leave a lock behind.
	file, err := findFile(p.Dir, name)
	if err != nil {
		return nil, ioFault(what, err)
	}
	file.Close()
	dir, err := safefile.OpenDir(p.Dir)
	if err != nil {
		return nil, ioFault(what, err)
	}
	defer dir.Close()
	c := changing{p, what, name, notes{dir, len(p.Reload) > 0}}
	result, err := c.rewrite(ctx, want, f)
	if err != nil {
		return nil, err
	}
	if err := p.reload(ctx, what, c.notes); err != nil {
		return nil, err
	}
	return typedAll(result, origin), nil
}

// changing is one change of a zone's file.
type changing struct {
	*Provider
	what, zone string // what is said in errors, and the zone without its final dot
	notes
}

// rewrite carries f out under the zone's lock, and notes that a reload is due.
func (c changing) rewrite(ctx context.Context, want []dns.RR, f edit) ([]dns.RR, error) {
	c.LongestHold = time.Minute // a large zone on a slow disk
	unlock, err := lock(ctx, c.notes.Dir, ".dkimbot-"+c.zone+".lock")
	if err != nil {
		return nil, ioFault(c.what, err)
	}
	defer unlock()
	d, err := load(c.what, c.Provider.Dir, c.zone)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	own, result, err := f(d.document, want)
	if err != nil {
		return nil, err
	}
	if !sameTexts(own, d.own) {
		if err := checkPlace(d.document, own, want); err != nil {
			return nil, err
		}
		if err := c.write(ctx, d, own); err != nil {
			return nil, err
		}
	}
	// Also without a change: an earlier process may have died before this.
	if err := c.due(c.zone); err != nil {
		return nil, ioFault(c.what, err)
	}
	return result, nil
}

// write puts own in the zone's file. A crash leaves the old file or the new one.
func (c changing) write(ctx context.Context, d loaded, own []dns.RR) error {
	text, err := d.rewrite(own, time.Now())
	if err != nil {
		return fault.Lasting(c.what, fmt.Errorf("%s: %w", d.document.path, err), "correct the zone file; named-checkzone helps")
	}
	if err := ctx.Err(); err != nil {
		return ioFault(c.what, err)
	}
	if err := c.begin(c.zone); err != nil {
		return ioFault(c.what, err)
	}
	if err := d.store(text, d.info); err != nil {
		return ioFault(c.what, err)
	}
	return nil
}
