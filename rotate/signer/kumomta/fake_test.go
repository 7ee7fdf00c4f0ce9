package kumomta

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// kumod does what KumoMTA's helper dkim_sign does with its data files (policy-extras/dkim_sign.lua and
// crates/message/src/dkim.rs): it reads them all, strictly, merges them field by field, and keeps what it has read. No
// real KumoMTA can be installed for the tests.
type kumod struct {
	files []string
	vault signer.Vault // where base has vault_mount

	mu     sync.Mutex
	now    time.Duration
	data   kept[map[string]fields] // of domains; "" is base
	ready  map[spec]kept[*dkim.PrivateKey]
	loaded map[string]kept[*dkim.PrivateKey]
}

// kept is what stays in memory for five minutes.
type kept[T any] struct {
	value T
	until time.Duration
}

const keeps = 5 * time.Minute

// spec is what a signer is made of.
type spec struct{ domain, selector, algo, place string }

// fields are those of one table; a nil one is not given.
type fields struct {
	Mount     *string  `toml:"vault_mount"`
	Prefix    *string  `toml:"vault_path_prefix"`
	Also      []string `toml:"additional_signatures"`
	Policy    *string  `toml:"policy"`
	Selector  *string  `toml:"selector"`
	Expires   *int     `toml:"expiration"`
	Headers   []string `toml:"headers"`
	HeaderC   *string  `toml:"header_canonicalization"`
	BodyC     *string  `toml:"body_canonicalization"`
	Over      *bool    `toml:"over_sign"`
	Algo      *string  `toml:"algo"`
	File      *string  `toml:"filename"`
	SignedFor *string  `toml:"domain"`
}

// merge puts what is given in the place of what was.
func (f fields) merge(over fields) fields {
	for _, one := range []struct{ into, from **string }{{&f.Mount, &over.Mount}, {&f.Prefix, &over.Prefix},
		{&f.Selector, &over.Selector}, {&f.Algo, &over.Algo}, {&f.File, &over.File}} {
		if *one.from != nil {
			*one.into = *one.from
		}
	}
	return f
}

// load reads all data files.
func (k *kumod) load() (map[string]fields, error) {
	all := map[string]fields{"": {}}
	for _, file := range k.files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var is struct {
			Base      fields            `toml:"base"`
			Domain    map[string]fields `toml:"domain"`
			Signature map[string]fields `toml:"signature"`
		}
		strict := toml.NewDecoder(bytes.NewReader(data))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&is); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all[""] = all[""].merge(is.Base)
		for domain, f := range is.Domain {
			all[domain] = all[domain].merge(f)
		}
	}
	return all, nil
}

// signs says which key signs mail of a domain now; the zero Ref when none does. An error means that no mail is taken.
func (k *kumod) signs(ctx context.Context, domain string) (dkim.Ref, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.data.value == nil || k.now >= k.data.until {
		data, err := k.load()
		if err != nil {
			return dkim.Ref{}, err
		}
		k.data = kept[map[string]fields]{data, k.now + keeps}
	}
	base := k.data.value[""]
	f, ok := k.data.value[domain]
	if !ok {
		return dkim.Ref{}, nil
	}
	of := spec{domain: domain, selector: or(f.Selector, or(base.Selector, "")), algo: or(f.Algo, "sha256")}
	of.place = fmt.Sprintf("/opt/kumomta/etc/dkim/%s/%s.key", domain, of.selector)
	if base.Mount != nil {
		of.place = fmt.Sprintf("%s/%s/%s", or(base.Prefix, "dkim"), domain, of.selector)
	}
	of.place = or(f.File, of.place)
	made := k.ready[of]
	if made.value == nil || k.now >= made.until {
		key, err := k.key(ctx, base.Mount, of)
		if err != nil {
			return dkim.Ref{}, err
		}
		made = kept[*dkim.PrivateKey]{key, k.now + keeps}
		if k.ready == nil {
			k.ready = map[spec]kept[*dkim.PrivateKey]{}
		}
		k.ready[of] = made
	}
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: of.selector}, KeyID: made.value.ID()}, nil
}

func or(text *string, other string) string {
	if text == nil {
		return other
	}
	return *text
}

// key loads a key, or has it in memory.
func (k *kumod) key(ctx context.Context, mount *string, of spec) (*dkim.PrivateKey, error) {
	if is := k.loaded[of.place]; is.value != nil && k.now < is.until {
		return is.value, nil
	}
	text, err := os.ReadFile(of.place)
	if mount != nil {
		text, err = k.secret(ctx, *mount, of.place)
	}
	if err != nil {
		return nil, err
	}
	key, err := dkim.ParseForeignKey(text)
	if err != nil {
		return nil, err
	}
	if small := key.Public().Bits() == 256; small != (of.algo == "ed25519") {
		return nil, fmt.Errorf("%s: algo is %s", of.place, of.algo)
	}
	if k.loaded == nil {
		k.loaded = map[string]kept[*dkim.PrivateKey]{}
	}
	k.loaded[of.place] = kept[*dkim.PrivateKey]{key, k.now + keeps}
	return key, nil
}

func (k *kumod) secret(ctx context.Context, mount, path string) ([]byte, error) {
	secrets, err := k.vault.Secrets(signer.VaultPlace{Mount: mount, Prefix: path, Setting: "kumod"})
	if err != nil {
		return nil, err
	}
	is, err := secrets.Read(ctx, dkim.Name{})
	if err != nil {
		return nil, err
	}
	_, rest, ok := strings.Cut(string(is.Data), `"key":"`)
	text, _, _ := strings.Cut(rest, `"`)
	if !ok {
		return nil, fmt.Errorf("%s has no key", path)
	}
	return []byte(strings.ReplaceAll(text, `\n`, "\n")), nil
}

// pass lets time pass.
func (k *kumod) pass(d time.Duration) {
	k.mu.Lock()
	k.now += d
	k.mu.Unlock()
}

// signsWith lets a minute pass with each question, and says what signs then.
func (k *kumod) signsWith(t *testing.T, domain string) dkim.Ref {
	t.Helper()
	k.pass(time.Minute)
	ref, err := k.signs(t.Context(), domain)
	if err != nil {
		t.Fatalf("KumoMTA takes no mail: %v", err)
	}
	return ref
}
