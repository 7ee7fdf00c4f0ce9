package main

import (
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
)

func logicalBackends() map[string]logical.Factory {
	return map[string]logical.Factory{"kv": kv.Factory}
}

func credentialBackends() map[string]logical.Factory {
	return map[string]logical.Factory{"approle": approle.Factory}
}

// registry tells Vault which plugins are built in: without it, mounting panics.
type registry struct{}

func (registry) factories(typ consts.PluginType) map[string]logical.Factory {
	switch typ {
	case consts.PluginTypeSecrets:
		return logicalBackends()
	case consts.PluginTypeCredential:
		return credentialBackends()
	}
	return nil
}

// Contains reports whether the plugin is built in.
func (r registry) Contains(name string, typ consts.PluginType) bool {
	return r.factories(typ)[name] != nil
}

// Get returns a function that returns the plugin's factory.
func (r registry) Get(name string, typ consts.PluginType) (func() (any, error), bool) {
	f, ok := r.factories(typ)[name]
	return func() (any, error) { return f, nil }, ok
}

// Keys lists the plugins that are built in.
func (r registry) Keys(typ consts.PluginType) []string {
	var names []string
	for name := range r.factories(typ) {
		names = append(names, name)
	}
	return names
}

// DeprecationStatus says that what is built in is supported.
func (r registry) DeprecationStatus(name string, typ consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, r.Contains(name, typ)
}

// IsBuiltinEntPlugin reports false: there is no enterprise plugin here.
func (registry) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }
