package opendkim

import (
	"errors"
	"io/fs"
	"os"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Key files get the owner of the key directory where nothing names another. Where that is root, or the
// directory is yet to be made, an OpenDKIM with a user of its own could read none of them, and without a probe
// message nothing shows that before mail goes unsigned (I1).

// unknownReader says why nothing tells who has to read the key files, "" when something does. missing
// reports that the key directory is not there, which may be so because this is another machine.
func (c *Config) unknownReader() (problem string, missing bool) {
	if c.Owner != "" || c.Milter != "" || c.KeyDir == "" || len(c.Reload) == 0 || c.Reload[0] == "true" {
		return "", false
	}
	info, err := os.Stat(c.KeyDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is not there yet, and nothing tells which user OpenDKIM runs as, who has to read the key files in it", true
	case err == nil && keyfiles.OwnerOf(info).UID == 0:
		return "belongs to root, so that key files in it would be for root alone: " +
			"an OpenDKIM with a user of its own could read none of them, and mail would go unsigned", false
	}
	return "", false
}

const nameReader = "write owner: opendkim, the user that OpenDKIM runs as (UserID in opendkim.conf), or owner: " +
	"root where it has none"

// readerRule is unknownReader for a configuration that is read.
func (c *Config) readerRule() []*settings.Problem {
	problem, missing := c.unknownReader()
	if problem == "" {
		return nil
	}
	return []*settings.Problem{{Keys: []string{"key_dir"}, Warning: missing, Text: problem, Remedy: nameReader}}
}

// knowsReader refuses the first key where unknownReader has a word.
func (s *Signer) knowsReader() error {
	problem, missing := s.cfg.unknownReader()
	if problem == "" || missing && os.Geteuid() != 0 {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.KeyOwner, What: "use key_dir of signer " + s.cfg.Name,
		Err: errors.New(s.cfg.KeyDir + " " + problem), Hint: nameReader}
}
