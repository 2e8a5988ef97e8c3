// Package conformance checks user functions and proxies against the Cloudstate protocol 0.2,
// whatever language they are written in.
//
// It has two halves. [TestUserFunction] plays the proxy: it talks to a user function that
// serves the fourteen models of the official conformance kit, as package models does.
// TestProxy stands between a proxy and the models and calls the proxy as a client. Each goes
// through the numbered assertions of the protocol (P-001 and following) that concern its side,
// with a subtest for each, and compares whole messages:
//
//	func TestConformance(t *testing.T) {
//		conn, err := grpc.NewClient("127.0.0.1:8080", grpc.WithTransportCredentials(insecure.NewCredentials()))
//		require.NoError(t, err)
//		t.Cleanup(func() { conn.Close() })
//		conformance.TestUserFunction(t, &conformance.UserFunction{Conn: conn})
//	}
//
// [CheckUserFunction] and CheckProxy do the same without go test and return a [Report];
// command conformance prints it.
//
// An assertion that a side cannot be seen to keep or to break is reported as not applicable,
// with the reason.
package conformance
