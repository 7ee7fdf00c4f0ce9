package observe

import (
	"hash/fnv"
	"time"
)

// mailHours is how many hours pass between two looks of the health check at the mail of a domain.
const mailHours = 24

// MailIsDue reports whether the health check of this hour looks at a domain's mail: all domains take turns.
func MailIsDue(domain string, now time.Time) bool {
	h := fnv.New32a()
	h.Write([]byte(domain))
	return int64(h.Sum32()%mailHours) == now.Unix()/int64(time.Hour/time.Second)%mailHours
}
