package conformance

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// requireEqual fails the trial unless two messages are equal in every field: also in whether
// sub-messages are present, in fields that are not known, and in the bytes of what is in an
// Any. It shows the messages with the lines in which they differ.
func requireEqual(t *trial, want, got proto.Message, what string, args ...any) {
	if proto.Equal(want, got) {
		return
	}
	readable := prototext.MarshalOptions{Multiline: true, EmitUnknown: true}
	wantText, gotText := readable.Format(want), readable.Format(got)
	if wantText == gotText { // they differ in the bytes of an Any, which was decoded for the text
		readable.Resolver = &protoregistry.Types{}
		wantText, gotText = readable.Format(want), readable.Format(got)
	}
	t.Fatalf(what+" is not as expected (-) but (+):\n%s", append(args, diff(wantText, gotText))...)
}

// diff returns the lines of two texts, each once, marked with - if only the first has them
// and with + if only the second has them.
func diff(first, second string) string {
	a, b := strings.Split(strings.TrimSpace(first), "\n"), strings.Split(strings.TrimSpace(second), "\n")
	// common[i][j] is how many lines a[i:] and b[j:] can have in common.
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var lines strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			lines.WriteString("  " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			lines.WriteString("- " + a[i] + "\n")
			i++
		default:
			lines.WriteString("+ " + b[j] + "\n")
			j++
		}
	}
	return lines.String()
}
