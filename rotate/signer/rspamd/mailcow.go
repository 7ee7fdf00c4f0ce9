package rspamd

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// findMailcow finds mailcow, whose rspamd asks Redis.
func findMailcow(h found.Host) (out []found.Signer) {
	for _, from := range h.Composed("mailcow.conf") {
		s := finding{Signer: found.Signer{Name: "mailcow", Program: "mailcow", From: from}}
		conf, err := h.ReadTrusted(from)
		if err != nil {
			s.Remark("it can't be read: " + err.Error() + ".")
			out = append(out, s.Signer)
			continue
		}
		redis, password := "127.0.0.1:7654", false
		for line := range strings.Lines(string(conf)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch {
			case name == "REDIS_PORT" && strings.Contains(value, ":"):
				redis = value
			case name == "REDIS_PORT" && value != "":
				redis = "127.0.0.1:" + value
			case name == "REDISPASS":
				password = value != ""
			}
		}
		s.Set("source", "redis")
		s.Set("preset", "mailcow")
		s.Set("redis", redis)
		if at := "/etc/dkimbot/redis.password"; password && h.Has(at) {
			s.Set("password_file", at)
		} else if password {
			s.Set("# password_file", at)
			s.Before = append(s.Before, "# Its Redis wants a password. Put that into a file, and take the # from password_file:",
				"install -m 600 /dev/null "+at, "sed -n 's/^REDISPASS=//p' "+found.Word(from)+" >"+at)
		}
		s.Remark("its domains stand in Redis, each with its selector: " +
			"'redis-cli -p PORT hgetall DKIM_SELECTORS' lists them; examples/mailcow says how a key is kept.")
		out = append(out, s.Signer)
	}
	return out
}
