package config

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Provider is a DNS account. The settings of its driver are set, the others are nil.
type Provider struct {
	Name       string      `json:"name"`
	Driver     string      `json:"driver"` // "rfc2136", "route53", "cloudflare" or "zonefile"
	RFC2136    *RFC2136    `json:"rfc2136,omitempty"`
	Route53    *Route53    `json:"route53,omitempty"`
	Cloudflare *Cloudflare `json:"cloudflare,omitempty"`
	Zonefile   *Zonefile   `json:"zonefile,omitempty"`

	// Limits of the account; 0 is the driver's default.
	Timeout  time.Duration `json:"timeout"`  // of one call
	Rate     float64       `json:"rate"`     // calls a second
	Parallel int           `json:"parallel"` // calls at a time
}

// RFC2136 is a name server that takes dynamic updates signed with TSIG (RFC 8945).
type RFC2136 struct {
	Server       string          `json:"server"`        // host:port
	KeyName      string          `json:"key_name"`      // absolute, with the final dot
	KeyAlgorithm string          `json:"key_algorithm"` // "hmac-sha256" and the like
	Key          settings.Secret `json:"key"`           // base64
}

// Route53 is an AWS account. What is left empty comes from the AWS default chain.
type Route53 struct {
	Region          string          `json:"region"`
	Profile         string          `json:"profile"`
	HostedZoneID    string          `json:"hosted_zone_id"`
	AccessKeyID     string          `json:"access_key_id"`
	SecretAccessKey settings.Secret `json:"secret_access_key"`
	SessionToken    settings.Secret `json:"session_token"`
}

// Cloudflare is a Cloudflare account.
type Cloudflare struct {
	APIToken settings.Secret `json:"api_token"` // may read zones and edit DNS records
}

// Zonefile is a directory of standard zone files.
type Zonefile struct {
	Dir           string        `json:"dir"`
	Listen        string        `json:"listen"`         // host:port to answer on; "": nowhere
	Reload        []string      `json:"reload"`         // command to run after a change; nil: none
	ReloadTimeout time.Duration `json:"reload_timeout"` // 0: the driver's default
}

func (b *builder) readProvider(name string, s *node.Section) Provider {
	p := Provider{Name: name}
	v, ok := s.Need("driver", "write driver: rfc2136, route53, cloudflare or zonefile")
	if !ok {
		return p
	}
	p.Driver, ok = v.Text()
	b.providerVerify[name] = readVerify(s.Sub("verify"))
	p.Timeout = s.Duration("timeout", 0, time.Millisecond)
	p.Rate = s.Number("rate", 1e-3, 1e6)
	p.Parallel = int(s.Number("parallel", 1, 1e3))
	switch p.Driver {
	case "rfc2136":
		p.RFC2136 = readRFC2136(s)
	case "route53":
		p.Route53 = readRoute53(s)
	case "cloudflare":
		p.Cloudflare = &Cloudflare{APIToken: s.NeedSecret("api_token", "")}
	case "zonefile":
		p.Zonefile = b.readZonefile(s)
	default:
		if ok {
			v.Fail(node.Unknown("driver", p.Driver, []string{"rfc2136", "route53", "cloudflare", "zonefile"}))
		}
		return p
	}
	s.Done()
	return p
}

func readRFC2136(s *node.Section) *RFC2136 {
	p := &RFC2136{KeyAlgorithm: s.Choice("key_algorithm", "hmac-sha256", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")}
	if v, ok := s.Need("server", "write the address of the primary name server: 192.0.2.1:53"); ok {
		p.Server = v.Address("53")
	}
	if v, ok := s.Need("key_name", "write the name of the TSIG key, as the name server knows it"); ok {
		if t, ok := v.Text(); ok {
			name, err := dkim.ParseDomain(t)
			if err != nil {
				v.Fail("is not the name of a TSIG key", "write it as the name server has it: letters, digits, - and dots")
			}
			p.KeyName = name + "."
		}
	}
	p.Key = s.NeedSecret("key", "")
	if p.Key.IsSet() {
		checkTSIG(s, p.Key)
	}
	return p
}

// checkTSIG catches a whole key file of BIND in the place of the bare secret.
func checkTSIG(s *node.Section, key settings.Secret) {
	text, err := key.Read()
	if err != nil {
		return // reported already
	}
	if raw, err := base64.StdEncoding.DecodeString(text); err != nil || len(raw) == 0 {
		line, path := s.At("key_file", "key_env", "key")
		s.Doc.Fail(line, path, "the TSIG key is not base64", `of what tsig-keygen prints, use only what stands in quotes after "secret"`)
	}
}

var zoneIDForm = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

func readRoute53(s *node.Section) *Route53 {
	p := &Route53{
		Region:          s.Text("region", ""),
		Profile:         s.Text("profile", ""),
		HostedZoneID:    strings.TrimPrefix(s.Text("hosted_zone_id", ""), "/hostedzone/"),
		AccessKeyID:     s.Text("access_key_id", ""),
		SecretAccessKey: s.Secret("secret_access_key", ""),
		SessionToken:    s.Secret("session_token", ""),
	}
	if p.HostedZoneID != "" && !zoneIDForm.MatchString(p.HostedZoneID) {
		v := s.Get("hosted_zone_id")
		v.Fail("is not the id of a hosted zone", "copy it from the Route 53 console: Z followed by capitals and digits")
	}
	secretKeys := []string{"secret_access_key_file", "secret_access_key_env", "secret_access_key"}
	if s.Has("access_key_id") != s.Has(secretKeys...) {
		line, path := s.At(append(secretKeys, "access_key_id")...)
		s.Doc.Fail(line, path, "access_key_id and the secret_access_key belong together", "give both, or neither to use the AWS default chain")
	}
	return p
}

func (b *builder) readZonefile(s *node.Section) *Zonefile {
	p := &Zonefile{
		Dir:           s.NeedFile("dir", "write the directory that holds the zone files"),
		ReloadTimeout: s.Duration("reload_timeout", 0, time.Millisecond),
	}
	if v, ok := s.Take("listen"); ok {
		p.Listen = v.Listen()
		b.claim(v, "address", p.Listen)
	}
	if v, ok := s.Take("reload"); ok {
		p.Reload = v.Command()
	}
	if v := s.Get("dir"); s.Has("dir") {
		b.claim(v, "directory", p.Dir)
	}
	return p
}
