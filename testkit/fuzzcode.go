package testkit

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/cloudstate-go/cloudstate/testkit/internal/sample"
)

// String returns the sequence as code for a test, and what is wrong with it.
func (f *finding) String() string {
	return fmt.Sprintf("something goes wrong in %d %s. As a test:\n\n%s\n%s", len(f.steps), plural("step", len(f.steps)), f.code(), f.problem)
}

func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// code returns the sequence as code for a test.
func (f *finding) code() string {
	var b strings.Builder
	c := coder{finding: f, b: &b}
	if f.explorer.cluster {
		b.WriteString("\tcluster := testkit.NewCluster(t, 2, components...)\n")
	} else {
		b.WriteString("\tkit := testkit.New(t, components...)\n")
	}
	for _, s := range f.steps {
		c.step(s)
	}
	return b.String()
}

// A coder writes steps as code.
type coder struct {
	finding *finding
	b       *strings.Builder
	clients []string // that were made
}

func (c *coder) linef(format string, args ...any) {
	fmt.Fprintf(c.b, "\t"+format+"\n", args...)
}

func (c *coder) step(s *step) {
	switch s.kind {
	case stepCommand:
		c.command(s)
	case stepCancel:
		if targetOf(c.finding.steps, s) != nil {
			c.linef("cancel%d()", s.target)
		}
	case stepPassivate:
		if target := targetOf(c.finding.steps, s); target != nil {
			key := target.entity()
			c.linef("%s.Passivate(%q, %q)", c.kit(s), key.persistenceID, key.id)
		}
	case stepRestart:
		c.linef("%s.Restart()", c.kit(s))
	case stepPartition:
		c.linef("cluster.Partition([]int{0}, []int{1})")
	case stepHeal:
		c.linef("cluster.Heal()")
	}
}

// kit returns an expression for the kit of a step.
func (c *coder) kit(s *step) string {
	if c.finding.explorer.cluster {
		return fmt.Sprintf("cluster.Node(%d)", s.node)
	}
	return "kit"
}

func (c *coder) command(s *step) {
	client := c.client(s)
	method := s.method.descriptor
	ctx := "t.Context()"
	if s.method.holds() && slices.ContainsFunc(c.finding.steps, func(o *step) bool { return o.kind == stepCancel && o.target == s.id }) {
		c.linef("ctx%d, cancel%d := context.WithCancel(t.Context())", s.id, s.id)
		ctx = fmt.Sprintf("ctx%d", s.id)
	}
	if !method.IsStreamingClient() {
		c.linef("_, _ = %s.%s(%s, %s)", client, method.Name(), ctx, sample.Literal(s.requests[0]))
		return
	}
	c.linef("stream%d, _ := %s.%s(%s)", s.id, client, method.Name(), ctx)
	for _, request := range s.requests {
		c.linef("_ = stream%d.Send(%s)", s.id, sample.Literal(request))
	}
	if method.IsStreamingServer() {
		c.linef("_ = stream%d.CloseSend()", s.id)
	} else {
		c.linef("_, _ = stream%d.CloseAndRecv()", s.id)
	}
}

// client returns a variable with the client of a service, and makes it before its first use.
func (c *coder) client(s *step) string {
	service := string(s.method.descriptor.Parent().Name())
	name := strings.ToLower(service[:1]) + service[1:]
	if c.finding.explorer.cluster {
		name = fmt.Sprintf("%s%d", name, s.node)
	}
	if !slices.Contains(c.clients, name) {
		c.clients = append(c.clients, name)
		server := reflect.TypeOf(s.method.declaration.Service.HandlerType).Elem().String() // such as pb.CartServer
		pkg, _, _ := strings.Cut(server, ".")
		c.linef("%s := %s.New%sClient(%s)", name, pkg, service, c.kit(s))
	}
	return name
}
