package statetest

import (
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
)

// States generates states in which every field that rotate.State has, or will
// have, takes values.
func States() *rapid.Generator[rotate.State] { return generate[rotate.State]() }

// Events generates events likewise.
func Events() *rapid.Generator[rotate.Event] { return generate[rotate.Event]() }

func generate[T any]() *rapid.Generator[T] {
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "zero") {
			return time.Time{}
		}
		sec := rapid.Int64Range(0, 9e9).Draw(t, "sec")
		return time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC()
	})
	return rapid.MakeCustom[T](rapid.MakeConfig{
		Types: map[reflect.Type]*rapid.Generator[any]{reflect.TypeFor[time.Time](): instant.AsAny()},
	})
}
