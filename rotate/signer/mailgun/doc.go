// Package mailgun makes Mailgun sign with keys of our own, through its Domain Keys API.
//
// # What it promises
//
// A domain of Mailgun has up to five keys, each with a selector of its own, and each active or not. A switch
//
//  1. imports the key, which is inactive then (POST /v1/dkim/keys), and compares what Mailgun made of it;
//  2. activates it (PUT .../activate), again and again until Mailgun has found the record in DNS;
//  3. only then deactivates every other key of the domain (PUT .../deactivate);
//  4. is confirmed when Mailgun lists just this one as active.
//
// So at no instant is there no active key (I1). Between the steps 2 and 3 two are active, for as long as one request
// takes. Mailgun does not document whether it signs with both then; both records are public, so that each
// signature verifies. The other order would leave a moment without any. A process that is killed in between is followed
// by one that continues where the list says (I7); meanwhile Active reports the two keys.
//
// Mailgun tells no private key, but the record of each, so that Active names selector and key. The key of a selector
// can't be exchanged, only deleted and imported again. Activate deletes nothing: what stands at a selector and is not
// the key that is asked for is refused (I6). Forget deletes a key that is not active, and only just that one.
//
// Mailgun takes RSA keys of 1024 and 2048 bits, and 300 requests a minute for an account.
//
// Other users of the host can't come between: of this host it uses the file of the API key alone, and a
// secret that others may read or write is refused when it is read.
//
// It may import the leaves and the packages of rotate/signer.
package mailgun
