package found

import (
	"testing"
)

// Only what systemd started for the system is a unit, whatever groups a user or a service makes for itself.
func TestUnitOfAProcess(t *testing.T) {
	for groups, want := range map[string]string{
		"": "", "0::/\n": "", "0::/init.scope\n": "",
		"0::/system.slice/opendkim.service\n":                                           "opendkim.service",
		"0::/opendkim.service":                                                          "opendkim.service",
		"0::/system.slice/opendkim.service/own.service\n":                               "opendkim.service",
		"0::/user.slice/user-0.slice/user@0.service/app.slice/opendkim.service\n":       "",
		"0::/user.slice/user-0.slice/session-1.scope\n":                                 "",
		"0::/../../system.slice/docker-x.scope/opendkim.service\n":                      "",
		"0::/system.slice/open dkim;rm.service\n":                                       "",
		"12:memory:/a.service\n1:name=systemd:/system.slice/opendkim@a.service\n0::/\n": "opendkim@a.service",
	} {
		if got := unitOf(groups); got != want {
			t.Errorf("%q: %q, want %q", groups, got, want)
		}
	}
}
