package zonefile_test

import (
	"fmt"
	"testing"

	"github.com/libdns/libdns"
)

func BenchmarkSetRecords(b *testing.B) {
	for _, size := range []int{10, 10000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			text := zoneText
			for i := range size {
				text += fmt.Sprintf("h%d A 192.0.2.1\n", i)
			}
			p, _ := newZone(b, text)
			for i := 0; b.Loop(); i++ {
				if _, err := p.SetRecords(b.Context(), "example.com",
					[]libdns.Record{txt("s1._domainkey", fmt.Sprint(longText, i))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
