// Package testmail proves a key and its live record together: it signs a message, and verifies it as
// receivers do. It asks no network.
//
// The package imports rotate/codes, rotate/dkim, rotate/fault and go-msgauth.
package testmail
