package probe

import (
	"strings"
	"sync"
)

// mostOctets is how long a message may be that is read; a probe has a few thousand octets.
const mostOctets = 256 << 10

// catch holds the messages that are waited for, by token. It is safe for concurrent use.
type catch struct {
	to   string
	news chan struct{} // has one when something has changed

	mu     sync.Mutex
	want   map[string]bool   // by token: not arrived yet
	got    map[string][]byte // by token
	quoted map[string]string // by token: the subject of a message that quotes it
	broken error             // why no more can arrive
}

func newCatch(to string) *catch {
	return &catch{to: to, news: make(chan struct{}, 1), want: map[string]bool{}, got: map[string][]byte{},
		quoted: map[string]string{}}
}

// await has a message of this token waited for.
func (c *catch) await(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want[token] = true
}

// offer takes a message if it is waited for, and reports whether it is.
func (c *catch) offer(message []byte) bool {
	token, quoted := tokenOf(message)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.want[quoted] && c.quoted[quoted] == "" {
		c.quoted[quoted] = subject(message)
	}
	if !c.want[token] {
		return false
	}
	delete(c.want, token)
	c.got[token] = message
	c.announce()
	return true
}

// fail says that no more can arrive.
func (c *catch) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = err
	}
	c.announce()
}

func (c *catch) announce() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// state returns how many messages are waited for, and why no more can arrive.
func (c *catch) state() (waiting int, broken error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.want), c.broken
}

// message returns the message with a token, nil when there is none, and the subject of one that quotes it.
func (c *catch) message(token string) (message []byte, quotedBy string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got[token], c.quoted[token]
}

// forget ends the wait for a token: its message was not sent.
func (c *catch) forget(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.want, token)
	c.announce()
}

// takes reports whether mail for an address is taken.
func (c *catch) takes(to string) bool { return strings.EqualFold(to, c.to) }
