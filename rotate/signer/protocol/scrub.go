package protocol

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"regexp"
	"strings"
)

// keyMaterial is a long run of base64, maybe with line ends as JSON writes
// them. It also matches key ids, which is a small loss. The fingerprint of a host key, as ssh
// writes it, is the first group: whoever has to compare it needs it.
var keyMaterial = regexp.MustCompile(`(\bSHA256:[A-Za-z0-9+/]{43}\b)|[A-Za-z0-9+/]{32,}=*`)

// hiddenLines are what is left of several lines of a key.
var hiddenLines = regexp.MustCompile(`\[…\](?:(?:\\n?|\s)*\[…\])*=*`)

// tailRead is how much of the end of what was said is looked through. Less of it is shown.
const tailRead = 4 << 10

// Scrub returns the end of what a peer said, without what may be key material (I9): pieces of the
// keys that the peer was given, and whatever else looks like one.
func (r Request) Scrub(output []byte) []byte {
	text := string(output[max(0, len(output)-tailRead):])
	var b strings.Builder
	hidden := false
	for i, secret := range r.secrets(text) {
		if !secret {
			b.WriteByte(text[i])
		} else if !hidden {
			b.WriteString("[…]")
		}
		hidden = secret
	}
	said := b.String()
	for _, d := range r.Domains {
		// The last line of base64 may be too short to be known by itself.
		if lines := strings.Split(strings.TrimSpace(d.PrivateKey), "\n"); len(lines) >= 3 && len(lines[len(lines)-2]) >= 4 {
			said = strings.ReplaceAll(said, lines[len(lines)-2], "[…]")
		}
	}
	said = keyMaterial.ReplaceAllStringFunc(said, func(found string) string {
		if strings.HasPrefix(found, "SHA256:") {
			return found
		}
		return "[…]"
	})
	return hiddenLines.ReplaceAll([]byte(said), []byte("[…]"))
}

// Holding returns which of the texts hold a piece of a private key that the peer was given. All texts are compared
// with each key at once: an answer for many domains may have as many.
func (r Request) Holding(texts []string) map[string]bool {
	windows, out := map[string][]string{}, map[string]bool{}
	for _, text := range texts {
		plain, _ := simple(text)
		for i := 0; i+window <= len(plain); i++ {
			windows[plain[i:i+window]] = append(windows[plain[i:i+window]], text)
		}
	}
	if len(windows) == 0 {
		return out
	}
	for _, d := range r.Domains {
		for _, form := range forms(d.PrivateKey) {
			for i := 0; i+window <= len(form); i++ {
				for _, text := range windows[form[i:i+window]] {
					out[text] = true
				}
			}
		}
	}
	return out
}

// window is how many characters in a row a text must share with a private key to hold a piece of it:
// no two texts share so many by chance, and fewer are of no use to anybody.
const window = 12

// secrets marks the octets of text that are a piece of a private key: in base64 or in hexadecimal
// digits, in whatever case, and whatever stands between the characters.
func (r Request) secrets(text string) []bool {
	marks := make([]bool, len(text))
	plain, at := simple(text)
	windows := map[string][]int{}
	for i := 0; i+window <= len(plain); i++ {
		windows[plain[i:i+window]] = append(windows[plain[i:i+window]], i)
	}
	for _, d := range r.Domains {
		for _, form := range forms(d.PrivateKey) {
			for i := 0; i+window <= len(form); i++ {
				for _, w := range windows[form[i:i+window]] {
					for j := at[w]; j <= at[w+window-1]; j++ {
						marks[j] = true
					}
				}
			}
		}
	}
	return marks
}

// forms returns the ways to write a key in PEM, as simple leaves them.
func forms(key string) (out []string) {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return nil
	}
	for _, raw := range [][]byte{block.Bytes, []byte(key)} {
		out = append(out, hex.EncodeToString(raw))
		for i := range 3 { // a part of the key may begin anywhere in a group of base64
			form, _ := simple(base64.RawStdEncoding.EncodeToString(raw[i:]))
			out = append(out, form)
		}
	}
	return out
}

// simple returns the characters of base64 in text, in lower case and the standard alphabet, and where each
// of them stands.
func simple(text string) (string, []int) {
	var b strings.Builder
	var at []int
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '+', c == '/':
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		default:
			continue
		}
		b.WriteByte(c)
		at = append(at, i)
	}
	return b.String(), at
}
