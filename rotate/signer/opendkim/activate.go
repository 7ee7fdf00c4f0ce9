package opendkim

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Activate makes each key the only one that its domain is signed with and
// returns when that is confirmed; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a
// *signer.PartialError, or the fault itself when keys holds one domain. Any
// other error means that no domain is confirmed. What is already in force is
// not written again.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.checkReload(); err != nil {
		return err
	}
	b, err := begin(ctx, s, keys)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.readTables(); err != nil {
		return err
	}
	if err := b.checkTables(); err != nil {
		return err
	}
	if err := b.keepOthers(ctx); err != nil {
		return err
	}
	b.screen()
	if err := b.writeKeys(ctx); err != nil {
		return err
	}
	b.plan()
	if err := b.putInForce(ctx); err != nil {
		return err
	}
	if len(b.jobs) > 0 {
		b.store.Remember(b.keyTable, b.signTable)
	}
	return b.Err()
}

// checkTables refuses what OpenDKIM could not load, before anything is changed.
func (b *batch) checkTables() error {
	if err := b.checkMissing(); err != nil {
		return err
	}
	if err := b.checkLoad(b.signText); err != nil {
		return err
	}
	return b.checkReadable()
}

// checkMissing refuses to make one table beside another that is there: a daemon that runs has both,
// so the path of the one is wrong. Where neither is, both are made, which a crash may have cut short.
func (b *batch) checkMissing() error {
	_, key, err := b.key.There()
	if err != nil {
		return b.fileFault("use table "+b.keyTable, err)
	}
	_, sign, err := b.sign.There()
	if err != nil {
		return b.fileFault("use table "+b.signTable, err)
	}
	if key == sign || key && len(b.marker) > 0 {
		return nil
	}
	missing, there := b.keyTable, b.signTable
	if key {
		missing, there = there, missing
	}
	return b.missingTable(missing, there)
}

func (s *Signer) missingTable(missing, there string) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.MissingTable, What: "edit the tables of signer " + s.cfg.Name,
		Err: fmt.Errorf("%s is not there, and %s is; OpenDKIM needs both to run", missing, there),
		Hint: "correct the path in the configuration, as opendkim.conf has it; " +
			"where the table is lost, make it: install -m 644 /dev/null " + missing}
}

// job is one domain of a batch.
type job struct {
	dkim.SigningKey
	path    string          // of the key file
	signing change          // our line of the SigningTable
	keys    []change        // our lines of the KeyTable
	before  *flatfile.InUse // what signs now; nil for nothing
	inForce bool            // tables and key file say so already, maybe by somebody else's lines
	wrote   bool            // the key file is new
	// our lines say so already, or a line of others counts: ours come first when the tables are written again
	overruled bool
}

// pem returns the key as its file holds it; nil where only its record is known.
func (j *job) pem() []byte {
	if j.Key == nil {
		return nil
	}
	return j.Key.PEM()
}

func (j *job) changed() bool { return j.signs() || len(j.keys) > 0 }

// signs reports whether the SigningTable has to be written.
func (j *job) signs() bool { return j.signing.before != j.signing.after || j.overruled }

// batch is one Activate under way.
type batch struct {
	*Signer
	*tables
	*signer.Batch
	jobs              []*job // those that have not failed, by domain
	keyTab            table
	signTab           table
	keyText, signText []byte // the tables as they were read
	view              tablesView
	marker            pending
	foreign           foreignLines
	silent            bool // no reload: the daemon signs with this already, and with what the tables have lost
	// unclaimed says that an older version wrote a block, or this signer under its former name: it gets our name
	// with the next change.
	unclaimed bool
	own       map[string][]string // domain to the KeyTable names that are ours
}

// newBatch takes the keys whose names are valid, one for each domain.
func newBatch(s *Signer, keys []dkim.SigningKey) *batch {
	b := &batch{Signer: s, Batch: signer.NewBatch(s.cfg.Name, keys, s.checkKey)}
	b.jobs = b.jobsOf(b.Keys)
	return b
}

// begin locks the tables for a batch.
func begin(ctx context.Context, s *Signer, keys []dkim.SigningKey) (b *batch, err error) {
	b = newBatch(s, keys)
	b.tables, err = s.openTables(ctx)
	return b, err
}

func (b *batch) jobsOf(keys []dkim.SigningKey) (jobs []*job) {
	for _, k := range keys {
		jobs = append(jobs, &job{SigningKey: k, path: b.keyPath(k.Ref())})
	}
	return jobs
}

// checkKey refuses a key, which may be known by its record only, that OpenDKIM can't use here.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	what := fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name)
	if k.Public().Bits() == 256 && s.socket.None() {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm, What: what,
			Err: errors.New(noEd25519), Hint: proveEd25519}
	}
	if n := len(s.keyPath(k.Ref())) + keyfiles.LongerName + 2*len(k.String()) + 7; n > flatfile.MaxLine {
		return fault.Lasting(what,
			fmt.Errorf("the KeyTable line may get %d octets; OpenDKIM reads %d", n, flatfile.MaxLine),
			"choose a shorter key_dir")
	}
	return nil
}

func (b *batch) dropFailed() {
	b.Drop()
	b.jobs = slices.DeleteFunc(b.jobs, func(j *job) bool { return b.Failed[j.Domain] != nil })
}

// writeKeys writes the key files.
func (b *batch) writeKeys(ctx context.Context) error {
	var keys []dkim.SigningKey
	for _, j := range b.jobs {
		if !j.inForce || j.path == b.keyPath(j.Ref()) {
			keys = append(keys, j.SigningKey)
		}
	}
	wrote, failed, err := b.store.WriteAll(ctx, keys)
	if err != nil {
		return err
	}
	for _, j := range b.jobs {
		made, tried := wrote[j.Domain]
		if j.wrote = made; tried {
			j.path = b.keyPath(j.Ref()) // another name than the usual one where something else stands there
		}
		if err := failed[j.Domain]; err != nil {
			b.Fail(j.Name, fmt.Errorf("%s: %w", b.What(j.Name), err))
		}
	}
	b.dropFailed()
	return nil
}

// putInForce writes the tables where they change, reloads and checks.
func (b *batch) putInForce(ctx context.Context) error {
	if len(b.jobs) == 0 {
		return nil
	}
	outstanding := slices.ContainsFunc(b.jobs, func(j *job) bool {
		_, marked := b.marker[j.Domain]
		return marked || j.changed() || j.wrote
	})
	if !outstanding {
		if b.checkFiles(); len(b.jobs) == 0 || b.socket.None() {
			return nil
		}
		if doubts := b.prove(ctx, 0); len(doubts) == 0 {
			return nil
		}
	}
	if err := b.writeMarked(); err != nil {
		return err
	}
	if !b.silent {
		if err := b.reload(ctx); err != nil {
			return err
		}
	}
	b.checkFiles()
	if !b.socket.None() {
		if err := b.settle(ctx, b.prove(ctx, b.cfg.ReloadTimeout)); err != nil {
			return err
		}
	}
	return b.unmark()
}

// writeMarked writes the marker, then the tables.
func (b *batch) writeMarked() error {
	for _, j := range b.jobs {
		if _, marked := b.marker[j.Domain]; !marked {
			b.marker[j.Domain] = j.before
		}
	}
	if err := b.writePending(b.marker); err != nil {
		return b.fileFault("write "+b.mark.Full(), err)
	}
	defer func() { b.Wrote(b.keyTab.Bytes(), b.signTab.Bytes()) }()
	if err := b.writeTable(b.key, b.keyTab, func(j *job) bool { return len(j.keys) > 0 }); err != nil {
		return err
	}
	return b.writeTable(b.sign, b.signTab, (*job).signs)
}

func (b *batch) writeTable(p keyfiles.Place, t table, differs func(*job) bool) error {
	if !slices.ContainsFunc(b.jobs, differs) && !b.unclaimed {
		return nil
	}
	if err := b.store.Replace(p, t.Bytes()); err != nil {
		return b.fileFault("write table "+p.Full(), err)
	}
	return nil
}

// keepOthers takes other domains along whose lines are not in the tables any more, before a reload takes them from the
// daemon, too. What a daemon that can't be asked signs with is what its files say.
func (b *batch) keepOthers(ctx context.Context) (err error) {
	b.silent, err = b.Keep(ctx, b.Batch, signer.Files{Text: [][]byte{b.keyText, b.signText}, Say: b.says,
		Keys: func(ref dkim.Ref) []string { return b.store.Files(ref) }},
		func(domains []string) map[string]dkim.Ref {
			if b.socket.None() {
				return nil
			}
			active, _, _ := b.ask(ctx, domains, b.keyring(b.view, b.marker))
			return active
		}, func() bool { return len(b.prove(ctx, 0)) == 0 })
	b.jobs = b.jobsOf(b.Keys)
	return err
}

// says reports whether the tables have a domain signed with a key, or a change of it is under way.
func (b *batch) says(ref dkim.Ref) bool {
	_, marked := b.marker[ref.Domain]
	use, ok := b.view.Domain(ref.Domain)
	key, err := b.publicKey(use.Path)
	return marked || ok && use.Selector == ref.Selector && (err != nil || key.ID() == ref.KeyID)
}

// unmark takes the confirmed domains out of the marker.
func (b *batch) unmark() error {
	for _, j := range b.jobs {
		delete(b.marker, j.Domain)
	}
	if err := b.writePending(b.marker); err != nil {
		return b.fileFault("write "+b.mark.Full(), err)
	}
	return nil
}

// checkFiles reads tables and key files as OpenDKIM does; domains that they
// don't say the wanted thing for fail.
func (b *batch) checkFiles() {
	view, err := b.readView()
	for _, j := range b.jobs {
		if err != nil {
			b.Failed[j.Domain] = err
			continue
		}
		use, ok := view.Domain(j.Domain)
		if !ok || use.Selector != j.Selector {
			b.Failed[j.Domain] = fault.Temporary(b.What(j.Name),
				fmt.Errorf("the tables were read again and give %s to %s", j.Domain, orNothing(use)),
				"see whether another program writes to the tables")
			continue
		}
		if data, err := keyfiles.ReadKey(use.Path); err != nil || !keyfiles.SameKey(data, j.Key.PEM(), j.Key.ID()) {
			b.Failed[j.Domain] = b.store.Changed(b.What(j.Name), j.Name, use.Path,
				fmt.Sprintf("key file %s was read again and does not hold the key", use.Path))
		}
	}
	b.dropFailed()
}

func orNothing(u flatfile.InUse) string {
	if u.Selector == "" {
		return "no selector"
	}
	return "selector " + u.Selector
}
