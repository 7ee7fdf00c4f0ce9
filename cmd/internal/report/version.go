package report

// VersionDocument is `version --json`.
type VersionDocument struct {
	FormatVersion int    `json:"format_version"`
	Version       string `json:"version"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
}

// NewVersion makes the document of a version, built by a version of Go for a platform.
func NewVersion(version, toolchain, platform string) VersionDocument {
	return VersionDocument{FormatVersion, version, toolchain, platform}
}
