package dkim

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// traces returns how pieces of the secret half of k look when they are printed
// in one way or another.
func traces(t *testing.T, k *PrivateKey) []string {
	t.Helper()
	var pieces [][]byte
	var out []string
	switch s := k.Signer().(type) {
	case *rsa.PrivateKey:
		for _, n := range append(s.Primes[:len(s.Primes):len(s.Primes)], s.D, s.Precomputed.Dp, s.Precomputed.Dq,
			s.Precomputed.Qinv) {
			pieces = append(pieces, n.Bytes())
			out = append(out, n.String()[:40])
		}
	case ed25519.PrivateKey:
		pieces = append(pieces, s.Seed())
	}
	for _, p := range pieces {
		list := fmt.Sprintf("%v", p[:16])
		source := fmt.Sprintf("%#v", p[:16])
		out = append(out, string(p[:16]), hex.EncodeToString(p[:16]), strings.ToUpper(hex.EncodeToString(p[:16])),
			fmt.Sprintf("% x", p[:16]),
			fmt.Sprintf("%q", p[:16]), base64.StdEncoding.EncodeToString(p[:15]), list[1:len(list)-1],
			source[strings.Index(source, "{")+1:len(source)-1])
	}
	block, _ := pem.Decode(k.PEM())
	body := base64.StdEncoding.EncodeToString(block.Bytes)
	return append(out, "BEGIN", body[len(body)-40:])
}

func leaks(s string, traces []string) bool {
	for _, tr := range traces {
		if strings.Contains(s, tr) {
			return true
		}
	}
	return false
}

// I9: however a key is printed, logged or marshalled, alone or within something
// else, its secret stays within.
func TestSecretsStayWithin(t *testing.T) {
	for _, alg := range []Algorithm{RSA2048, Ed25519} {
		k := generate(t, alg)
		tr := traces(t, k)

		// The detector sees a leak.
		if s := fmt.Sprintf("%+v", k.Signer()); !leaks(s, tr) {
			t.Fatalf("%s: the bare key leaks unseen", alg)
		}
		if !leaks(string(k.PEM()), tr) {
			t.Fatalf("%s: the PEM leaks unseen", alg)
		}

		sk := SigningKey{Name: Name{"example.com", "s1"}, Key: k}
		type hidden struct {
			pointer *PrivateKey
			value   PrivateKey
			key     SigningKey
			any     any
		}
		for name, v := range map[string]any{
			"key": k, "key by value": *k, "signing key": sk, "pointer to signing key": &sk, "reference": sk.Ref(),
			"keys": []*PrivateKey{k}, "values": []PrivateKey{*k}, "signing keys": []SigningKey{sk},
			"map":                map[string]*PrivateKey{"a": k},
			"pointer to pointer": &k, "unexported fields": hidden{k, *k, sk, k}, "pointer to them": &hidden{k, *k, sk, *k},
			"in an exported field": struct{ Key any }{*k}, "public half": k.Public(), "record": NewRecord(k.Public(), ""),
			"in an error": fmt.Errorf("sign with %v: %w", k, errors.ErrUnsupported),
		} {
			for how, s := range renderings(v) {
				if leaks(s, tr) {
					t.Errorf("%s: %s leaks through %s: %.200q", alg, name, how, s)
				}
			}
		}
	}
}

func renderings(v any) map[string]string {
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%#x", "%q", "%d", "%b", "%c", "%U", "%t",
		"%e", "%p", "%T", "%w", "%!"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	out["Sprint"] = fmt.Sprint(v)
	for how, marshal := range map[string]func(any) ([]byte,
		error){"json": json.Marshal, "xml": xml.Marshal, "yaml": yaml.Marshal} {
		b, err := marshal(v)
		out[how] = fmt.Sprint(string(b), err)
	}
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).With("with", v).Info("message", "key", v, slog.Group("group", "key", v))
	slog.New(slog.NewJSONHandler(&js, nil)).With("with", v).Info("message", "key", v, slog.Group("group", "key", v))
	out["slog text"], out["slog json"] = text.String(), js.String()
	return out
}

// What is shown instead says which key it is.
func TestKeysAreRecognised(t *testing.T) {
	k := generate(t, Ed25519)
	sk := SigningKey{Name: Name{"example.com", "s1"}, Key: k}
	want := "private key " + k.ID()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, k); got != want {
			t.Errorf("%s prints %s, want %s", verb, got, want)
		}
	}
	for _, tt := range []struct{ got, want string }{
		{fmt.Sprint(sk), "s1._domainkey.example.com"},
		{fmt.Sprintf("%+v", &sk), "s1._domainkey.example.com"},
		{fmt.Sprintf("%#v", sk), `dkim.SigningKey{Name:dkim.Name{Domain:"example.com", Selector:"s1"}, Key:` + want +
			`, Record:""}`},
		{marshal(t, sk), `{"domain":"example.com","selector":"s1","Key":"` + want + `"}`},
		{marshal(t, sk.Ref()), `{"domain":"example.com","selector":"s1","key_id":"` + k.ID() + `"}`},
		{marshal(t, SigningKey{}), `{"domain":"","selector":"","Key":null}`},
		{fmt.Sprint((*PrivateKey)(nil)), "private key (none)"},
		{fmt.Sprint(k.Public()), "public key " + k.ID()},
	} {
		if tt.got != tt.want {
			t.Errorf("got  %s\nwant %s", tt.got, tt.want)
		}
	}
	// A key can't be read back from what is shown.
	if err := json.Unmarshal([]byte(`{"Key":"`+want+`"}`), &sk); err == nil {
		t.Error("a key was unmarshalled from its description")
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
