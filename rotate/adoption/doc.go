// Package adoption plans that keys which are in use are taken under management: of a signer that was set up by hand,
// or of a dkimbot whose state was lost or is older than the world (I12). It is pure, like package plan, which plans
// what follows an adoption.
package adoption
