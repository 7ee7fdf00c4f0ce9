package opendkim

import "github.com/dkimbot/dkimbot/rotate/signer/block"

// table is a flat file of OpenDKIM: our block, which is found first, and everything else.
type table = block.Table

var flat = block.Format{Fields: 2}

// change is one line of our block before and after; "" is no line.
type change struct {
	key, before, after string
}
