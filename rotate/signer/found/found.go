package found

import "context"

// Finder is implemented by the settings of drivers that find their programs on a host.
type Finder interface {
	// Programs are those that it finds, for people.
	Programs() []string
	// Find returns the signers of a host, none where it has no such program. What can't be read is said in their remarks.
	Find(ctx context.Context, h Host) []Signer
}

// Signer is a program that signs mail on a host, as it is set up.
type Signer struct {
	Name    string // in the configuration that is made
	Program string // for people: "OpenDKIM"
	From    string // the file that it was found in
	// Keys are those of its section in the configuration, without the driver; none when dkimbot can't drive it as it is.
	Keys    []Pair
	Domains []Domain
	// Before is what has to be done before dkimbot can switch it: commands, and words as comments ("#").
	Before []string
	// Remarks are what could not be read or used.
	Remarks []string
}

// Pair is a key of the configuration and its value: a text, or the words of a command.
type Pair struct {
	Key   string
	Value any
}

// Domain is a domain whose mail is signed.
type Domain struct {
	Name     string
	Selector string
	Key      string   // where the private key is, for people
	Bits     int      // of an RSA key; 0 when it could not be read or is none
	Adopt    []string // the flags of 'dkimbot adopt' that take this key over
	Fixed    bool     // its selector stands in the signer's configuration, and in no map
}

// Remark adds what could not be read or used, as a sentence.
func (s *Signer) Remark(text string) { s.Remarks = append(s.Remarks, text) }

// Set gives a key of its section a value.
func (s *Signer) Set(key string, value any) { s.Keys = append(s.Keys, Pair{key, value}) }
