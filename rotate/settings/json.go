package settings

import "encoding/json"

// Marshal renders one configured driver as JSON: its name in the configuration, the kind of
// driver, the settings under that kind, then the members of each object of more. Saved plans
// hold a digest of this text, so it stays as it is.
func Marshal(name, driver string, of any, more ...any) ([]byte, error) {
	parts := append([]any{struct {
		Name   string `json:"name"`
		Driver string `json:"driver"`
	}{name, driver}, map[string]any{driver: of}}, more...)
	out := []byte("{")
	for i, part := range parts {
		text, err := json.Marshal(part)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, text[1:len(text)-1]...)
	}
	return append(out, '}'), nil
}
