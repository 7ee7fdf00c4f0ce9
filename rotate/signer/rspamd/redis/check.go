package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: whether Redis keeps what it is given, what signs now, and
// whether its user may write the hashes.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	server := "Redis at " + s.cfg.Address
	var warned string
	return append([]preflight.Question{
		{What: server, Found: func() string { return warned }, Ask: func(ctx context.Context) (err error) {
			warned, err = s.keeps(ctx)
			return err
		}},
		{What: "selectors and keys as rspamd asks for them", Domains: domains, Needs: server,
			Ask: func(ctx context.Context) error {
				_, err := s.Active(ctx, domains)
				return err
			}},
		{What: "right to write the hashes", Needs: server, Rights: true, Ask: s.mayWrite},
	}, s.replicaQuestions()...)
}

// info returns what a server says of itself.
func (s *Signer) info(ctx context.Context, address string) (map[string]string, error) {
	db, err := s.connect(address)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	info, err := db.Info(ctx).Result()
	if err != nil {
		return nil, s.faultAt(ctx, address, "ask about the server", err)
	}
	is := map[string]string{}
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		is[name] = value
	}
	return is, nil
}

// keeps refuses a Redis that is a replica, or that throws keys away when its memory is full, and warns of replicas.
func (s *Signer) keeps(ctx context.Context) (warning string, err error) {
	is, err := s.info(ctx, s.cfg.Address)
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("keep keys in Redis at %s (signer %s)", s.cfg.Address, s.cfg.Name)
	policy := is["maxmemory_policy"]
	switch {
	case is["redis_mode"] == "sentinel":
		return "", preflight.Coded(codes.NotWritable, fault.Lasting(what, errNoKeys, ofPrimary))
	case is["role"] == "slave":
		return "", preflight.Coded(codes.NotWritable, fault.Lasting(what, errors.New("this is a replica"),
			"give the address of the primary as redis"))
	case is["maxmemory"] != "0" && strings.HasPrefix(policy, "allkeys"):
		return "", fault.Lasting(what, fmt.Errorf("it throws hashes away when its memory is full (maxmemory-policy %s), "+
			"and mail would go unsigned", policy), "set maxmemory-policy volatile-lru or noeviction in redis.conf")
	}
	return cmp.Or(s.watched(ctx), s.unnamed(is["connected_slaves"])), nil
}

var errNoKeys = errors.New("this is a Sentinel, which keeps no keys")

const ofPrimary = "give the address of the primary as redis (redis-cli -p 26379 sentinel masters), and those of the other " +
	"servers as replicas; dkimbot does not follow a failover"

// watched warns where Sentinel may make another server the primary: rspamd would follow it, and dkimbot does not. A
// user of Redis who may not ask learns nothing.
func (s *Signer) watched(ctx context.Context) string {
	db, err := s.open()
	if err != nil || len(s.cfg.Replicas) > 0 || s.cfg.Witness.Milter != "" {
		return ""
	}
	defer db.Close()
	const channel = "__sentinel__:hello"
	if n, err := db.PubSubNumSub(ctx, channel).Result(); err != nil || n[channel] == 0 {
		return ""
	}
	return "warning: Sentinel watches it and may make another server the primary, which rspamd follows and dkimbot does not: " +
		"name the other servers in replicas, or prove switches by milter or probe; after a failover name the new primary in redis"
}

// mayWrite asks for each right that Activate and Forget need, and changes nothing: it removes a field that does not
// exist from each hash, executes a transaction without commands, and begins one that writes into each hash, which Redis
// forgets when the connection ends. Redis refuses a command without the right to it when the transaction takes it.
func (s *Signer) mayWrite(ctx context.Context) error {
	db, err := s.open()
	if err != nil {
		return err
	}
	defer db.Close()
	conn := db.Conn()
	defer conn.Close()
	absent := "dkimbot-check-" + rand.Text()
	do := func(what string, command ...any) {
		if err == nil {
			if err = conn.Do(ctx, command...).Err(); err != nil {
				err = preflight.Coded(codes.NotWritable, s.fault(ctx, what, err))
			}
		}
	}
	var hashes []string
	for _, m := range s.modules() {
		for _, hash := range []string{m.keys, m.selectors, m.notes(), s.cfg.PubPrefix} {
			if hash != "" {
				hashes = append(hashes, hash)
			}
		}
	}
	for _, hash := range hashes {
		do("write "+hash, "hdel", hash, absent)
	}
	do("execute a transaction", "multi")
	do("execute a transaction", "exec")
	do("execute a transaction", "multi")
	for _, hash := range hashes {
		do("write "+hash, "hset", hash, absent, "")
	}
	return err
}

// Screen returns what Activate would refuse whichever key follows, and what it would refuse of just that key.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	var valid []dkim.SigningKey
	for _, k := range next {
		if k.Name.Check() == nil && k.Ref().KeyID != "" {
			valid = append(valid, k)
		}
	}
	if len(valid) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	db, err := s.open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	signs, err := s.signing(ctx, db, domainsOf(valid))
	if err != nil {
		return nil, s.fault(ctx, "find out what signs", err)
	}
	b := signer.NewBatch(s.cfg.Name, nil, nil)
	for i, m := range s.modules() {
		p, err := s.place(ctx, db, m, valid)
		if err != nil {
			return nil, s.fault(ctx, "read keys", err)
		}
		for j, k := range valid {
			if b.Failed[k.Domain] != nil {
				continue
			}
			in := p.held(j)
			if other := p.occupied(j, k, signs[k.Domain][i]); other != "" {
				b.Fail(k.Name, b.Occupied(k.Name, m.at(k.Name), other))
			} else if in != "" && in != k.Ref().KeyID && !p.own(j) && signs[k.Domain][i] != (dkim.Ref{Name: k.Name, KeyID: in}) {
				b.Fail(k.Name, s.foreign(b, m, k))
			} else if err := s.checkKey(k); err != nil {
				b.Fail(k.Name, err)
			}
		}
	}
	return b.Failed, nil
}
