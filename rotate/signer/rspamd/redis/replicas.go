package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// An rspamd with read_servers asks replicas, which may be behind, or no longer follow their primary and still answer.
// So each of them is asked what it shows: a switch is in force when all show it, and a key that one of them shows is
// in use.

// followTime is how long replicas have to show what was written, and followPace how often they are asked.
const (
	followTime = 30 * time.Second
	followPace = 100 * time.Millisecond
)

// behind returns, by domain, which replica shows something else than the primary.
func (s *Signer) behind(ctx context.Context, primary map[string][]dkim.Ref) (map[string]error, error) {
	failed := map[string]error{}
	var domains []string
	for d := range primary {
		domains = append(domains, d)
	}
	for _, address := range s.cfg.Replicas {
		shown, err := s.shownBy(ctx, address, domains)
		if err != nil {
			return nil, err
		}
		for _, d := range domains {
			if slices.Equal(shown[d], primary[d]) {
				continue
			}
			failed[d] = fault.Temporary(s.in(address, "find out what signs "+d), fmt.Errorf("this replica shows %s, and the "+
				"primary %s", selector(shown[d]), selector(primary[d])), "see whether it follows its primary: redis-cli info "+
				"replication, master_link_status; rspamd signs with what it shows")
		}
	}
	return failed, nil
}

func (s *Signer) shownBy(ctx context.Context, address string, domains []string) (map[string][]dkim.Ref, error) {
	db, err := s.connect(address)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	shown, err := s.signing(ctx, db, domains)
	if err != nil {
		return nil, s.faultAt(ctx, address, "find out what signs", err)
	}
	return shown, nil
}

func selector(refs []dkim.Ref) string {
	if len(refs) == 0 || refs[0].Selector == "" {
		return "none"
	}
	id := refs[0].KeyID
	return refs[0].Selector + " with key " + id[:min(12, len(id))]
}

// follow waits until all replicas show what was written.
func (s *Signer) follow(ctx context.Context, b *signer.Batch) error {
	if len(s.cfg.Replicas) == 0 {
		return nil
	}
	wanted, names := map[string][]dkim.Ref{}, map[string]dkim.Name{}
	for _, k := range b.Keys {
		if b.Failed[k.Domain] == nil {
			wanted[k.Domain], names[k.Domain] = slices.Repeat([]dkim.Ref{k.Ref()}, len(s.modules())), k.Name
		}
	}
	for end := time.Now().Add(s.patience); len(wanted) > 0; {
		failed, err := s.behind(ctx, wanted)
		if err != nil {
			return err
		}
		if len(failed) == 0 {
			return nil
		}
		if time.Now().After(end) {
			for d, err := range failed {
				b.Fail(names[d], err)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return s.fault(ctx, "wait for replicas", ctx.Err())
		case <-time.After(followPace):
		}
	}
	return nil
}

// replicaQuestions are about the replicas that rspamd asks.
func (s *Signer) replicaQuestions() (all []preflight.Question) {
	for _, address := range s.cfg.Replicas {
		all = append(all, preflight.Question{What: "replica at " + address, Ask: func(ctx context.Context) error {
			is, err := s.info(ctx, address)
			switch {
			case err != nil:
				return err
			case is["role"] != "slave":
				return fault.Lasting(s.in(address, "ask a replica"), errors.New("this is no replica"),
					"take it out of replicas; a server that follows nobody never shows what is written to another one")
			case is["master_link_status"] != "up":
				return fault.Temporary(s.in(address, "ask a replica"), errors.New("it does not follow its primary now"),
					"see its log, and masterauth in its redis.conf; no switch is complete before it shows it")
			}
			return nil
		}})
	}
	return all
}

// unnamed warns of replicas that nobody asks.
func (s *Signer) unnamed(connected string) string {
	n, _ := strconv.Atoi(connected)
	if n == 0 || len(s.cfg.Replicas) > 0 || s.cfg.Witness.Milter != "" {
		return ""
	}
	return fmt.Sprintf("warning: replicas follow it (%d); where rspamd asks one (read_servers), name it in replicas, "+
		"or prove switches by milter or probe", n)
}
