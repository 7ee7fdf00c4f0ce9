// Package finding has the words for what is wrong: a finding of a health check, a warning of a plan, an error that
// is about a thing. The three may say the same, and are known as one by what they are about, never by their words.
package finding
