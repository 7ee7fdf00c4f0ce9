package master

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// kind takes a record type, also by its bare number.
func (e *encoder) kind() error {
	word := e.next()
	kind, ok := ParseType(word)
	if n, err := strconv.ParseUint(word, 10, 16); err == nil {
		kind, ok = uint16(n), true
	} else if strings.EqualFold(word, "ANY") {
		kind, ok = dns.TypeANY, true
	}
	if !ok {
		return errors.New("not a record type")
	}
	e.wire = binary.BigEndian.AppendUint16(e.wire, kind)
	return nil
}

// types takes the types of RFC 2535 section 5.2, as a bitmap.
func (e *encoder) types() error {
	bits := make([]byte, 16)
	last := 0
	for len(e.words) > 0 {
		kind, ok := ParseType(e.next())
		if !ok || kind > 127 {
			return errors.New("not a record type below 128")
		}
		bits[kind/8] |= 0x80 >> (kind % 8)
		last = max(last, int(kind/8)+1)
	}
	e.wire = append(e.wire, bits[:last]...)
	return nil
}

// prefixes takes what RFC 3123 section 5 lists: family, address and length. An address keeps what stands
// in it behind its prefix, as BIND has it.
func (e *encoder) prefixes() error {
	for len(e.words) > 0 {
		word, negated := strings.CutPrefix(e.next(), "!")
		family, rest, _ := strings.Cut(word, ":")
		text, bits, _ := strings.Cut(rest, "/")
		number, err := strconv.ParseUint(family, 10, 16)
		addr, bad := netip.ParseAddr(text)
		n, long := strconv.ParseUint(bits, 10, 8)
		if errors.Join(err, bad, long) != nil || addr.Zone() != "" || int(n) > addr.BitLen() ||
			number != map[bool]uint64{true: 1, false: 2}[addr.Is4()] {
			return errors.New("not a prefix of IPv4 (1:192.0.2.0/24) or IPv6 (2:2001:db8::/32)")
		}
		octets := bytes.TrimRight(addr.AsSlice(), "\x00")
		length := byte(len(octets))
		if negated {
			length |= 0x80
		}
		e.wire = append(append(e.wire, 0, byte(number), byte(n), length), octets...)
	}
	return nil
}

// windows takes the types of RFC 4034 section 4.1.2, in any order, as bitmaps of 256 types each.
func (e *encoder) windows() error {
	var kinds []uint16
	for len(e.words) > 0 {
		kind, ok := ParseType(e.next())
		if !ok {
			return errors.New("not a record type")
		}
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	for len(kinds) > 0 {
		window := kinds[0] >> 8
		bits := make([]byte, 0, 32)
		for len(kinds) > 0 && kinds[0]>>8 == window {
			low := kinds[0] & 0xff
			for len(bits) <= int(low/8) {
				bits = append(bits, 0)
			}
			bits[low/8] |= 0x80 >> (low % 8)
			kinds = kinds[1:]
		}
		e.wire = append(append(e.wire, byte(window), byte(len(bits))), bits...)
	}
	return nil
}
