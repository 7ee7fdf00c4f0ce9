// Package endpointtest stands between an adapter and the service that it asks, and does to each of its requests what
// services, proxies and networks do.
//
// It is for tests only. It may import rotate/dkim, rotate/fault and rotate/signer/signertest.
package endpointtest
