package master

import (
	"strconv"
	"strings"
)

// Words that BIND takes in the place of numbers, and miekg/dns does not.
var (
	keyAlgorithms = map[string]uint64{
		"RSAMD5": 1, "RSA": 1, "DH": 2, "DSA": 3, "ECC": 4, "RSASHA1": 5,
		"NSEC3DSA": 6, "DSA-NSEC3-SHA1": 6, "NSEC3RSASHA1": 7, "RSASHA1-NSEC3-SHA1": 7,
		"RSASHA256": 8, "RSASHA512": 10, "ECCGOST": 12, "ECC-GOST": 12,
		"ECDSAP256SHA256": 13, "ECDSAP384SHA384": 14, "ED25519": 15, "ED448": 16,
		"INDIRECT": 252, "PRIVATEDNS": 253, "PRIVATEOID": 254,
	}
	keyProtocols = map[string]uint64{"NONE": 0, "TLS": 1, "EMAIL": 2, "DNSSEC": 3, "IPSEC": 4, "ALL": 255}
	keyFlags     = map[string]uint64{
		"NOCONF": 1 << 14, "NOAUTH": 1 << 15, "NOKEY": 3 << 14, "FLAG2": 1 << 13, "EXTEND": 1 << 12,
		"FLAG4": 1 << 11, "FLAG5": 1 << 10, "USER": 0, "ZONE": 1 << 8, "HOST": 2 << 8, "NTYP3": 3 << 8,
		"FLAG8": 1 << 7, "FLAG9": 1 << 6, "FLAG10": 1 << 5, "FLAG11": 1 << 4, "KSK": 1,
		"SIG0": 0, "SIG1": 1, "SIG2": 2, "SIG3": 3, "SIG4": 4, "SIG5": 5, "SIG6": 6, "SIG7": 7,
		"SIG8": 8, "SIG9": 9, "SIG10": 10, "SIG11": 11, "SIG12": 12, "SIG13": 13, "SIG14": 14, "SIG15": 15,
	}
	digestTypes = map[string]uint64{"SHA1": 1, "SHA-1": 1, "SHA256": 2, "SHA-256": 2, "GOST": 3,
		"SHA384": 4, "SHA-384": 4}
	certificateTypes = map[string]uint64{
		"PKIX": 1, "SPKI": 2, "PGP": 3, "IPKIX": 4, "ISPKI": 5, "IPGP": 6, "ACPKIX": 7, "IACPKIX": 8, "URI": 253, "OID": 254,
	}
)

// numbered writes numbers for the words that stand first in data, of which each has a list of its own.
// Several of one list may be joined by "|".
func numbered(data string, lists ...map[string]uint64) string {
	words := strings.Fields(data)
	for i, list := range lists {
		if i >= len(words) || list == nil {
			continue
		}
		sum, known := uint64(0), true
		for word := range strings.SplitSeq(strings.ToUpper(words[i]), "|") {
			n, ok := list[word]
			sum, known = sum|n, known && ok
		}
		if known {
			words[i] = strconv.FormatUint(sum, 10)
		}
	}
	return strings.Join(words, " ")
}
