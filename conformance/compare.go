package conformance

import (
	"fmt"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// requireEqual fails the trial unless two messages are equal in every field: also in whether
// sub-messages are present, in fields that are not known, and in the bytes of what is in an
// Any. It shows the lines in which they differ.
func requireEqual(t *trial, want, got proto.Message, what string, args ...any) {
	t.Helper()
	if proto.Equal(want, got) {
		return
	}
	readable := prototext.MarshalOptions{Multiline: true, EmitUnknown: true}
	wantText, gotText := readable.Format(want), readable.Format(got)
	if wantText == gotText { // they differ in the bytes of an Any, which was decoded for the text
		readable.Resolver = &protoregistry.Types{}
		wantText, gotText = readable.Format(want), readable.Format(got)
	}
	require.Equalf(t, wantText, gotText, what, args...)
	t.Fatalf("%s: the messages differ in a way that their text does not show: want %v, got %v", fmt.Sprintf(what, args...), want, got)
}
