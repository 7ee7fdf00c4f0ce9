package vault

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// errExpires: the engine deletes versions by age, which would take a key away from its signer (I1).
var errExpires = errors.New("the engine deletes versions by itself")

// unansweredError marks an error after which the key may be stored or not.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }

// mountError says what is mounted where a KV version 2 engine belongs.
type mountError struct {
	engine string // what is mounted there; with below, where the engine is mounted
	below  string // the part of the configured mount that lies within the engine
	err    error  // instead, what else says that there is none

	unversioned bool // an engine of version 1 was wanted
}

func (e *mountError) Error() string {
	switch {
	case e.err != nil:
		return e.err.Error()
	case e.below != "":
		return fmt.Sprintf("the engine is at %s, and %s is a path within it", e.engine, e.below)
	case e.engine == "kv" && e.unversioned:
		return "the KV engine there is version 2"
	case e.unversioned:
		return fmt.Sprintf("the engine there is %s, not KV version 1", e.engine)
	case e.engine == "kv":
		return "the KV engine there is not version 2"
	}
	return fmt.Sprintf("the engine there is %s, not KV version 2", e.engine)
}

// status returns the HTTP status of an error that Vault answered, or 0.
func status(err error) int {
	var answered *api.ResponseError
	if errors.As(err, &answered) {
		return answered.StatusCode
	}
	return 0
}

// said reports whether Vault's error messages hold text; with "" whether there are any.
func said(err error, text string) bool {
	var answered *api.ResponseError
	return errors.As(err, &answered) && len(answered.Errors) > 0 &&
		strings.Contains(strings.Join(answered.Errors, "\n"), text)
}

// explain makes a fault of an error about name's secret.
func (s *Store) explain(ctx context.Context, what string, name dkim.Name, err error) error {
	f := &fault.Error{Kind: fault.Permanent, What: what, Err: err,
		Hint: fault.RunAgain}
	at := s.path("", name)
	of := &versionError{}
	errors.As(err, &of)
	var mount *mountError
	var inner *fault.Error
	switch {
	case ctx.Err() != nil:
		f.Kind, f.Err = fault.Transient, ctx.Err()
	case errors.As(err, &inner):
		f.Kind, f.Hint = inner.Kind, inner.Hint
	case errors.Is(err, errClosed):
		f.Hint = "report this as a defect"
	case errors.Is(err, errForeign):
		f.Kind, f.Code = fault.Refused, codes.ForeignSecret
		f.Hint = fmt.Sprintf("dkimbot never changes secrets of others; "+
			"look at it (vault kv get %s); set keystore.prefix to another path, or, if nothing reads it, move it away", at)
	case errors.Is(err, errDeleted):
		f.Code = codes.DeletedSecret
		f.Hint = fmt.Sprintf("bring it back: vault kv undelete -versions=%d %s; "+
			"or give it up: vault kv destroy -versions=%d %s", of.version, at, of.version, at)
	case errors.Is(err, errDamaged):
		f.Code = codes.DamagedKey
		f.Hint = fmt.Sprintf("somebody changed it; find out who (vault kv metadata get %s), then give it up: "+
			"vault kv destroy -versions=%d %s", at, of.version, at)
	case errors.Is(err, errExpires):
		f.Hint = fmt.Sprintf("set delete_version_after to 0s (vault write %s/config delete_version_after=0s; "+
			"vault kv metadata put -delete-version-after=0s %s); "+
			"versions that exist already are deleted in any case: rotate, so that fresh keys take their place", s.cfg.Mount, at)
	case errors.As(err, &mount):
		f.Code = codes.VaultMount
		f.Hint = s.mountHint()
		if mount.below != "" && s.place.Setting == "" {
			f.Hint = s.belowHint(mount)
		}
		if mount.err != nil {
			f.Hint = "set keystore.mount to the path of a KV version 2 engine, as 'vault secrets list -detailed' shows it"
		}
	default:
		s.diagnose(f, err)
	}
	if errors.As(err, new(*unansweredError)) && f.Kind == fault.Transient {
		f.Hint = "the key may have been stored anyway: " +
			"check which version is the newest, and continue from there" + also(f.Hint)
	}
	f.Err, f.Hint = s.session.shown.hideIn(f.Err), s.session.shown.hide(f.Hint, leastOwn)
	return f
}

func also(hint string) string {
	if hint == "" {
		return ""
	}
	return "; " + hint
}

func (s *Store) mountHint() string {
	if s.place.Setting != "" {
		return fmt.Sprintf("compare %s with what 'vault secrets list -detailed' shows, and with the signer's own configuration",
			s.place.Setting)
	}
	return fmt.Sprintf("set keystore.mount to a KV version 2 engine, or make one: "+
		"vault secrets enable -path=%s -version=2 kv", s.cfg.Mount)
}

// belowHint says how the engine is named, and how keys that were stored in spite of the
// wrong name are found again.
func (s *Store) belowHint(m *mountError) string {
	hint := fmt.Sprintf("set keystore.mount: %s", m.engine)
	if m.below != "data" {
		return hint + fmt.Sprintf(" and keystore.prefix: %s", path.Join(m.below, s.cfg.Prefix))
	}
	return hint + fmt.Sprintf("; if dkimbot has stored keys there already, also keystore.prefix: %s",
		path.Join(m.below, s.cfg.Prefix))
}
