// Command manifests reads Kubernetes manifests as the API server does with strict validation of fields, and
// says what is wrong with them. It is a module of its own, so that dkimbot does not need Kubernetes' types.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// kinds are what the manifests may hold, by apiVersion and kind.
var kinds = map[string]func() any{
	"v1 ConfigMap":                       func() any { return &core.ConfigMap{} },
	"v1 Secret":                          func() any { return &core.Secret{} },
	"v1 PersistentVolumeClaim":           func() any { return &core.PersistentVolumeClaim{} },
	"v1 Service":                         func() any { return &core.Service{} },
	"apps/v1 Deployment":                 func() any { return &apps.Deployment{} },
	"batch/v1 CronJob":                   func() any { return &batch.CronJob{} },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return &networking.NetworkPolicy{} },
}

func main() {
	failed := false
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// check reads all documents of a file, and writes each pod's container, as it was understood, to standard output.
func check(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var all error
	for i, document := range bytes.Split(text, []byte("\n---\n")) {
		if err := one(document, os.Stdout); err != nil {
			all = errors.Join(all, fmt.Errorf("document %d: %w", i+1, err))
		}
	}
	return all
}

func one(document []byte, out io.Writer) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(document, &head); err != nil {
		return err
	}
	name := head.APIVersion + " " + head.Kind
	made, ok := kinds[name]
	if !ok {
		return fmt.Errorf("no kind %q is known here", name)
	}
	object := made()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	switch o := object.(type) {
	case *apps.Deployment:
		return pod(name, o.Spec.Template.Spec, true)
	case *batch.CronJob:
		return pod(name, o.Spec.JobTemplate.Spec.Template.Spec, false)
	}
	fmt.Fprintln(out, name)
	return nil
}

// pod refuses what lets a container have more than it needs, and a mount without a volume.
func pod(name string, p core.PodSpec, serves bool) (err error) {
	wrong := func(bad bool, says string) {
		if bad {
			err = errors.Join(err, fmt.Errorf("%s: %s", name, says))
		}
	}
	s := p.SecurityContext
	wrong(s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0, "runs as root")
	wrong(p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken, "gets a token of the cluster")
	volumes := map[string]bool{}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range p.Containers {
		s := c.SecurityContext
		wrong(s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem, "its file system can be written")
		wrong(s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation, "may get more rights")
		wrong(s == nil || s.Capabilities == nil || len(s.Capabilities.Add) > 0 || len(s.Capabilities.Drop) != 1 ||
			s.Capabilities.Drop[0] != "ALL", "keeps capabilities")
		for _, m := range c.VolumeMounts {
			wrong(!volumes[m.Name], "mounts no volume: "+m.Name)
		}
		if serves {
			wrong(path(c.ReadinessProbe) != "/readyz", "is not asked /readyz whether it is ready")
			wrong(path(c.LivenessProbe) != "/livez", "is not asked /livez whether it lives")
		}
	}
	wrong(len(p.Containers) == 0, "has no container")
	fmt.Println(name)
	return err
}

func path(p *core.Probe) string {
	if p == nil || p.HTTPGet == nil {
		return ""
	}
	return p.HTTPGet.Path
}
