// Package node reads YAML files whose keys it does not know, and collects everything that is
// wrong with them: each finding has file, line, the key's path and what to write instead.
//
// It knows files, groups of keys, texts, numbers, durations, paths, commands and secrets. What
// the keys mean is said by package config above it. It imports the leaves.
package node
