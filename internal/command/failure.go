package command

import (
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cloudstate-go/cloudstate/protocol"
)

// Failure returns the failure that tells the client about an error of a handler. As in
// gRPC, an error with a status keeps its code, the errors of contexts have theirs, and
// all others are UNKNOWN with their text.
//
// The code is left out where it is UNKNOWN, because that is what a proxy makes of a
// failure without one, and the conformance suite compares messages exactly.
func Failure(id int64, err error) *protocol.Failure {
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	failure := &protocol.Failure{CommandId: id, Description: validText(st.Message())}
	if st.Code() != codes.Unknown {
		failure.GrpcStatusCode = uint32(st.Code())
	}
	return failure
}

// validText returns text that can be sent: what is not UTF-8 in it is replaced, because a
// message with it could not be encoded, and the client would learn nothing at all.
func validText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
