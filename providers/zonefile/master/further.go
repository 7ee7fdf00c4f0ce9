package master

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// furtherFields are the fields of types whose data miekg/dns can't read, or not in
// every form that BIND does: 1, 2 and 4 are numbers of so many bytes, n is a
// name, s a string, t a record type, c a scheme; what takes the rest of the words: S is strings, b base64 in
// any number of words, and the others have functions of their own below.
var furtherFields = map[uint16]string{
	dns.TypeX25: "s", dns.TypeGPOS: "sss", dns.TypeISDN: "S", dns.TypeHINFO: "ss", dns.TypeNAPTR: "22sssn",
	dns.TypeAVC: "S",
	typeWKS:     "w", typeNSAP: "x", dns.TypeATMA: "a", typeA6: "6", typeSINK: "111b", typeDOA: "441sb", typeWALLET: "S",
	dns.TypeNXT: "nm", dns.TypeAMTRELAY: "1r", typeDSYNC: "tc2n", typeHHIT: "b", typeBRID: "b",
	dns.TypeCSYNC: "42T", dns.TypeNSEC: "nT", dns.TypeAPL: "p",
}

// furtherData reads data of the types of furtherFields. ok is false for all others.
func furtherData(kind uint16, data, origin string) (wire []byte, err error, ok bool) {
	fields, ok := furtherFields[kind]
	if !ok {
		return nil, nil, false
	}
	e := encoder{words: splitWords(data), origin: origin}
	for _, field := range fields {
		if err := e.field(field); err != nil {
			return nil, &quoting{"the data of the " + TypeName(kind) + " record can't be read", err.Error()}, true
		}
	}
	if len(e.words) > 0 {
		return nil, quote("the data of the "+TypeName(kind)+" record has a word too many", e.words[0]), true
	}
	return e.wire, nil, true
}

// splitWords takes data apart again.
func splitWords(data string) []string {
	o, err := Scan(" " + data)
	if err != nil || len(o.Entries) != 1 {
		return nil
	}
	var out []string
	for _, t := range o.Entries[0].Tokens {
		out = append(out, t.Of(" "+data))
	}
	return out
}

// encoder turns words into data as messages hold it.
type encoder struct {
	words  []string
	origin string
	wire   []byte
}

func (e *encoder) next() string {
	if len(e.words) == 0 {
		return ""
	}
	word := e.words[0]
	e.words = e.words[1:]
	return word
}

func (e *encoder) rest() string {
	all := strings.Join(e.words, "")
	e.words = nil
	return all
}

func (e *encoder) field(field rune) error {
	if len(e.words) == 0 && !strings.ContainsRune("STp", field) {
		return errors.New("a word is missing")
	}
	switch field {
	case '1', '2', '4':
		return e.number(int(field - '0'))
	case 'n':
		return e.name()
	case 's':
		return e.text(e.next())
	case 'S':
		for len(e.words) > 0 {
			if err := e.text(e.next()); err != nil {
				return err
			}
		}
		return nil
	case 'b':
		return e.base64()
	case 't':
		return e.kind()
	case 'c':
		return e.scheme()
	case 'w':
		return e.services()
	case 'x':
		word := e.rest()
		if !strings.HasPrefix(strings.ToLower(word), "0x") {
			return errors.New("it does not begin with 0x")
		}
		return e.hex(word[2:])
	case 'a':
		return e.atm()
	case 'm':
		return e.types()
	case 'T':
		return e.windows()
	case 'r':
		return e.relay()
	case 'p':
		return e.prefixes()
	}
	return e.a6()
}

func (e *encoder) number(size int) error {
	n, err := strconv.ParseUint(e.next(), 10, size*8)
	if err != nil {
		return errors.New("not a number that fits")
	}
	e.wire = append(e.wire, binary.BigEndian.AppendUint32(nil, uint32(n))[4-size:]...)
	return nil
}

func (e *encoder) name() error {
	name, err := absoluteName(e.next(), e.origin)
	if err != nil {
		return err
	}
	buf := make([]byte, 256)
	end, err := dns.PackDomainName(name, buf, 0, nil, false)
	e.wire = append(e.wire, buf[:end]...)
	return err
}

func (e *encoder) text(word string) error {
	text := dkim.Unescape(unquote(word))
	if len(text) > 255 {
		return errors.New("a string is longer than 255 bytes")
	}
	e.wire = append(append(e.wire, byte(len(text))), text...)
	return nil
}

func (e *encoder) base64() error {
	word := e.rest()
	if word == "-" { // DOA: none
		return nil
	}
	data, err := base64.StdEncoding.DecodeString(word)
	e.wire = append(e.wire, data...)
	return err
}

// scheme takes the way in which RFC 9859 lets a child notify, by name or number.
func (e *encoder) scheme() error {
	if strings.EqualFold(e.words[0], "NOTIFY") {
		e.words[0] = "1"
	}
	return e.number(1)
}

// hex takes hexadecimal digits with dots anywhere.
func (e *encoder) hex(digits string) error {
	data, err := hex.DecodeString(strings.ReplaceAll(digits, ".", ""))
	e.wire = append(e.wire, data...)
	return err
}

// atm takes an ATM address: a telephone number after a plus sign, or hexadecimal digits.
func (e *encoder) atm() error {
	word := e.rest()
	if number, ok := strings.CutPrefix(word, "+"); ok {
		e.wire = append(append(e.wire, 1), strings.ReplaceAll(number, ".", "")...)
		return nil
	}
	e.wire = append(e.wire, 0)
	return e.hex(word)
}

// a6 takes data of RFC 2874 section 3.1: the length of the prefix, the rest of the
// address, and the name that has the prefix.
func (e *encoder) a6() error {
	n, err := strconv.ParseUint(e.next(), 10, 8)
	if err != nil || n > 128 {
		return errors.New("not a length of a prefix")
	}
	e.wire = append(e.wire, byte(n))
	if n < 128 {
		addr, err := netip.ParseAddr(e.next())
		if err != nil || !addr.Is6() {
			return errors.New("not an IPv6 address")
		}
		bits := addr.As16()
		bits[n/8] &= 0xff >> (n % 8)
		e.wire = append(e.wire, bits[n/8:]...)
	}
	if n == 0 {
		return nil
	}
	return e.name()
}

// services takes data of RFC 1035 section 3.4.2: an address, a protocol, and the
// ports that are served, by number or by the name that this machine knows.
func (e *encoder) services() error {
	addr, err := netip.ParseAddr(e.next())
	if err != nil || !addr.Is4() {
		return errors.New("not an IPv4 address")
	}
	proto := strings.ToLower(e.next())
	number, ok := map[string]byte{"tcp": 6, "udp": 17, "icmp": 1}[proto]
	if n, err := strconv.ParseUint(proto, 10, 8); err == nil {
		number, ok = byte(n), true
	}
	if !ok {
		return errors.New("not a protocol")
	}
	if proto = "tcp"; number == 17 {
		proto = "udp"
	}
	var ports []byte
	for len(e.words) > 0 {
		port, err := net.LookupPort(proto, strings.ToLower(e.next()))
		if err != nil || port > 65535 {
			return errors.New("not a port or service")
		}
		for len(ports) <= port/8 {
			ports = append(ports, 0)
		}
		ports[port/8] |= 0x80 >> (port % 8)
	}
	bits := addr.As4()
	e.wire = append(append(append(e.wire, bits[:]...), number), ports...)
	return nil
}

// relay takes what follows the precedence in RFC 8777 section 4: a flag, a kind, and
// the relay of that kind.
func (e *encoder) relay() error {
	flag, kind := e.next(), e.next()
	n, err := strconv.ParseUint(kind, 10, 7)
	if err != nil || flag != "0" && flag != "1" {
		return errors.New("not a flag and a kind of relay")
	}
	e.wire = append(e.wire, (flag[0]-'0')<<7|byte(n))
	word := e.next()
	addr, err := netip.ParseAddr(word)
	switch {
	case n == 0 && (word == "." || word == ""):
		return nil
	case n == 1 && err == nil && addr.Is4(), n == 2 && err == nil && addr.Is6():
		e.wire = append(e.wire, addr.AsSlice()...)
		return nil
	case n == 3 && word != "":
		e.words = append([]string{word}, e.words...)
		return e.name()
	}
	return errors.New("not a relay of that kind")
}
