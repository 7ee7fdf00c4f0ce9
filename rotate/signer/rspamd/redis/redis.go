package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says where rspamd's Redis is and what its hashes are called.
type Config struct {
	Name     string   // in messages
	Address  string   // host:port
	Replicas []string // likewise, of those that rspamd asks
	TLS      *tls.Config
	Username string
	Password settings.Secret `json:"-"` // read again with each connection
	DB       int

	KeyPrefix, SelectorPrefix string // of rspamd's dkim_signing
	PubPrefix                 string // domain to public key, for mailcow's page; "" for none
	// Of the arc module, "" for none.
	ArcKeyPrefix, ArcSelectorPrefix string

	Lag     time.Duration // see Signer.Lag; a minute when 0
	Witness milter.Witness
}

// Signer is all rspamd that ask one Redis. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg      Config
	patience time.Duration                // with replicas
	step     func(operation string) error // tests stop here; nil otherwise
}

// New touches nothing; cfg has been checked.
func New(cfg Config) *Signer {
	cfg.Lag = cmp.Or(cfg.Lag, DefaultLag)
	return &Signer{cfg: cfg, patience: followTime}
}

// DefaultLag outlives a message that rspamd has asked the selector for already, and a replica that it may ask.
const DefaultLag = time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// module is what one module of rspamd asks for.
type module struct{ keys, selectors string }

func (s *Signer) modules() []module {
	out := []module{{s.cfg.KeyPrefix, s.cfg.SelectorPrefix}}
	if s.cfg.ArcSelectorPrefix != "" {
		out = append(out, module{s.cfg.ArcKeyPrefix, s.cfg.ArcSelectorPrefix})
	}
	return out
}

// notes is the hash that says which keys of a module are dkimbot's.
func (m module) notes() string { return m.keys + ":dkimbot" }

// Time limits of Redis, which answers at once or is in trouble.
const (
	dialTimeout  = 5 * time.Second
	replyTimeout = 10 * time.Second
)

// silence keeps the library from writing to standard error: its errors are returned, too.
var silence = sync.OnceFunc(func() { client.SetLogger(silent{}) })

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// open connects to the server that is written to. Nothing is asked yet.
func (s *Signer) open() (*client.Client, error) { return s.connect(s.cfg.Address) }

func (s *Signer) connect(address string) (*client.Client, error) {
	silence()
	password := ""
	if s.cfg.Password.IsSet() {
		var err error
		if password, err = s.cfg.Password.Read(); err != nil {
			return nil, fault.Lasting("read the password of signer "+s.cfg.Name, err, "correct password_file")
		}
	}
	secure := s.cfg.TLS
	if secure != nil && address != s.cfg.Address {
		secure = secure.Clone()
		secure.ServerName, _, _ = net.SplitHostPort(address)
	}
	return client.NewClient(&client.Options{Addr: address, Username: s.cfg.Username, Password: password,
		DB:        s.cfg.DB,
		TLSConfig: secure, Protocol: 2, DisableIdentity: true, MaxRetries: -1, PoolSize: 1, DialerRetries: 1,
		DialTimeout: dialTimeout, ReadTimeout: replyTimeout, WriteTimeout: replyTimeout, ContextTimeoutEnabled: true}), nil
}

// fault says what an error of Redis means.
func (s *Signer) fault(ctx context.Context, what string, err error) error {
	return s.faultAt(ctx, s.cfg.Address, what, err)
}

func (s *Signer) faultAt(ctx context.Context, address, what string, err error) error {
	what = s.in(address, what)
	said := err.Error()
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.HasPrefix(said, w) {
				return true
			}
		}
		return false
	}
	var unsure *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return fault.Interrupted(what, context.Cause(ctx))
	case says("NOAUTH", "WRONGPASS", "ERR invalid password", "ERR AUTH"):
		return fault.Lasting(what, err, "correct username and password_file, as requirepass or the ACL of Redis has them")
	case says("NOPERM"):
		return fault.Lasting(what, err, "let the user do this: +hmget +hset +hdel +multi +exec +info, on these hashes and "+
			"on those with :dkimbot behind their names")
	case says("READONLY"):
		return fault.Lasting(what, err, "give the address of the primary as redis; this is a replica")
	case says("ERR unknown command"): // it quotes the arguments, which may be a key (I9)
		said, _, _ = strings.Cut(said, ", with args")
		return fault.Lasting(what, fmt.Errorf("it is a Sentinel, or that command was taken away (rename-command): %s", said), ofPrimary)
	case says("OOM"):
		return fault.Temporary(what, err, "give Redis more memory (maxmemory); keys that are there stay in force")
	case says("WRONGTYPE"):
		return fault.Lasting(what, err, "correct the prefixes: something that is no hash has such a name")
	case errors.As(err, &unsure):
		return fault.Lasting(what, err, "name the authority that signed the certificate of Redis as ca_file")
	}
	return fault.Temporary(what, err, "see whether Redis runs there; while it does not, rspamd signs no mail")
}

// in says where something is done.
func (s *Signer) in(address, what string) string {
	return fmt.Sprintf("%s in Redis at %s (signer %s)", what, address, s.cfg.Name)
}

// at marks the place before a request.
func (s *Signer) at(operation string) error {
	if s.step == nil {
		return nil
	}
	return s.step(operation)
}

// texts returns what HMGET found, "" for nothing.
func texts(found []any) []string {
	out := make([]string, len(found))
	for i, v := range found {
		out[i], _ = v.(string)
	}
	return out
}
