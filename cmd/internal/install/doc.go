// Package install tests what dkimbot is installed from: units, packages, images and manifests. It has no
// code of its own; the files stand in packaging and examples.
package install
