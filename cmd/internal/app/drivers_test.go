package app

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/setup"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// paper is a DNS driver that is written down: this type, and one line in the list below.
type paper struct {
	Notebook string          `json:"notebook"`
	Pages    int             `json:"pages"`
	Stamp    settings.Secret `json:"stamp"`
}

func (p *paper) Driver() providers.Driver {
	return providers.Driver{Name: "paper", Service: "Paper", Meaning: "a notebook", LongestTTL: 2 * time.Hour}
}

func (p *paper) Fields() []settings.Field {
	return []settings.Field{
		{Key: "notebook", Into: &p.Notebook, Form: settings.Path(), Need: "name the notebook",
			Meaning: "what is written into",
			Claim:   func() *settings.Claim { return settings.Own("notebook", p.Notebook) }},
		{Key: "pages", Into: &p.Pages, Least: 1, Most: 100, Meaning: "how many pages it has"},
		{Key: "stamp", Into: &p.Stamp, Need: "give stamp_file or stamp_env", Meaning: "what each page is stamped with"},
	}
}

func (p *paper) Open(_ context.Context, secrets settings.Secrets) (providers.Adapter, error) {
	return pen{p.Notebook, secrets.Of(&p.Stamp)}, nil
}

type pen struct{ notebook, stamp string }

func (pen) Cost(string) int { return 1 }

func (p pen) Set(_ context.Context, rec dkim.TXT) error {
	return os.WriteFile(p.notebook, []byte(rec.Owner+" "+p.stamp), 0o600)
}

// lamp is a signer of the same kind.
type lamp struct {
	Colour string `json:"colour"`

	mu     sync.Mutex
	active map[string]dkim.Ref
}

func (l *lamp) Driver() signer.Driver { return signer.Driver{Name: "lamp", Meaning: "a signal lamp"} }

func (l *lamp) Fields() []settings.Field {
	return []settings.Field{{Key: "colour", Into: &l.Colour, Choices: []string{"red", "green"}, Meaning: "its colour"}}
}

func (l *lamp) Open(string, settings.Secrets) (signer.Signer, error) {
	return &lamp{Colour: l.Colour, active: map[string]dkim.Ref{}}, nil
}

// Programs are those that Find finds.
func (l *lamp) Programs() []string { return []string{"the lamp"} }

// Find finds the lamp by the colour that is written on its mast.
func (l *lamp) Find(_ context.Context, h found.Host) []found.Signer {
	colour, err := h.Read("/etc/mast")
	if err != nil {
		return nil
	}
	s := found.Signer{Name: "mast", Program: "the lamp", From: "/etc/mast"}
	s.Set("colour", strings.TrimSpace(string(colour)))
	return []found.Signer{s}
}

func (l *lamp) Active(context.Context, []string) (map[string]dkim.Ref, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.active), nil
}

func (l *lamp) Activate(_ context.Context, keys []dkim.SigningKey) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		l.active[k.Domain] = k.Ref()
	}
	return nil
}

func (l *lamp) Lag() time.Duration { return time.Minute }

// withPaper are the drivers of the program and one more of each: a line for each list.
func withPaper() config.Drivers {
	return config.Drivers{
		DNS:     func() []providers.Account { return append(config.Builtin().DNS(), &paper{Pages: 10}) },
		Signers: func() []signer.Settings { return append(config.Builtin().Signers(), &lamp{Colour: "red"}) },
	}
}

func load(t *testing.T, yaml string) (*config.Config, error) {
	t.Helper()
	t.Setenv("STAMP", "hunter2")
	path := filepath.Join(t.TempDir(), "dkimbot.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.LoadWith(path, withPaper())
}

// A driver more is one file and one line in a list: the configuration reads and checks its keys,
// and the program opens and uses it, although no other file knows its name.
func TestNinthDriver(t *testing.T) {
	cfg, err := load(t, `
providers: { desk: { driver: paper, notebook: ./book, stamp_env: STAMP, timeout: 3s } }
signers: { roof: { driver: lamp, colour: green } }
domains: [{ name: example.com, provider: desk, signers: [roof] }]
`)
	if err != nil {
		t.Fatal(err)
	}
	publishers, err := newPublishers(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	signers, err := newSigners(cfg)
	if err != nil {
		t.Fatal(err)
	}
	rec := dkim.TXT{Zone: "example.com", Owner: "s1._domainkey.example.com", Value: "v=DKIM1; p=", TTL: time.Hour}
	if err := publishers["desk"].Publish(t.Context(), rec); err != nil {
		t.Error(err)
	}
	book := filepath.Join(filepath.Dir(cfg.File), "book")
	if text, err := os.ReadFile(book); err != nil || string(text) != rec.Owner+" hunter2" {
		t.Errorf("the notebook says %q, %v", text, err)
	}
	if got := signers["roof"].Lag(); got != time.Minute {
		t.Errorf("the lamp's lag is %s", got)
	}
	text, err := json.Marshal(cfg.Providers["desk"])
	if want := `{"name":"desk","driver":"paper","paper":{"notebook":"` + book +
		`","pages":10,"stamp":"secret from environment variable STAMP"},"timeout":3000000000,"rate":0,"parallel":0}`; err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	if one, other := cfg.DomainDigest("example.com"), cfg.Digest(); one == "" || other == "" {
		t.Error("no digest")
	}
}

// What a driver more finds on a host becomes a section of a first configuration, which the program reads.
func TestNinthDriverIsFound(t *testing.T) {
	h := found.Host{Root: t.TempDir()}
	if err := os.MkdirAll(h.At("/etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.At("/etc/mast"), []byte("green\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	account, err := setup.NewAccount("cloudflare", []string{"api_token_env=STAMP"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := setup.Configuration(setup.Places{State: "/x/state", Keys: "/x/keys"}, account,
		setup.Find(t.Context(), h, withPaper().Signers()))
	if err != nil {
		t.Fatal(err)
	}
	if want := "  mast:                         # found in /etc/mast\n    driver: lamp\n    colour: green\n"; !strings.Contains(text, want) {
		t.Fatalf("there is no\n%sin\n%s", want, text)
	}
	cfg, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Signers["mast"].Settings.(*lamp).Colour; got != "green" {
		t.Errorf("its colour is %q", got)
	}
	if err := os.WriteFile(h.At("/etc/mast"), []byte("blue\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if all := setup.Find(t.Context(), h, withPaper().Signers()); len(all) != 1 || len(all[0].Remarks) != 1 {
		t.Errorf("of a colour that the driver would refuse is said: %+v", all)
	}
}

// What is wrong with the keys of a driver more is told like everything else.
func TestNinthDriverErrors(t *testing.T) {
	_, err := load(t, `
providers:
  desk: { driver: paper, pages: 1000, notebok: a, stamp_env: NOTHING }
  shelf: { driver: paper, notebook: /book, stamp_env: STAMP }
  chair: { driver: paper, notebook: /book, stamp_env: STAMP }
  table: { driver: papr }
signers: { roof: { driver: lamp, colour: blue } }
policies: { default: { ttl: 3h } }
domains: [{ name: example.com, provider: shelf, signers: [roof] }]
`)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		":3: providers.desk.notebook: is missing: name the notebook",
		":3: providers.desk.pages: is out of range: write a number from 1 to 100, without quotes",
		":3: providers.desk.stamp_env: read environment variable NOTHING: it is not set, or empty",
		`:3: providers.desk.notebok: unknown key "notebok": did you mean notebook?`,
		":5: providers.chair.notebook: notebook /book is used by providers.shelf.notebook already: give each its own",
		`:6: providers.table.driver: unknown driver "papr": did you mean paper? there are: cloudflare, paper, rfc2136, route53, zonefile`,
		`:7: signers.roof.colour: unknown value "blue": there are: green, red`,
		":9: domains[0].provider: Paper takes no TTL of 3h",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
}
