package node

import "github.com/dkimbot/dkimbot/rotate/settings"

// Form reads a text of that form; "" for none.
func (v Value) Form(form settings.Form) (text string) {
	v.textField(settings.Field{Form: form}, &text)
	return text
}
