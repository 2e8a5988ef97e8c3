// Package httprule compiles the google.api.http options of methods: which HTTP requests
// call a method, and what of the request goes into its message (protocol section 8.4).
//
// [Bindings] returns the rules of a method, or what is wrong with them. Nothing here
// changes once it is made.
package httprule

import (
	"fmt"
	"strings"

	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A Binding is one way to call a method over HTTP.
type Binding struct {
	// Verb is the HTTP method, such as "GET", or "*" for any.
	Verb string
	// Path is what the path must match.
	Path *Template
	// Variables are the fields that the variables of Path fill, in the same order. They
	// are scalars.
	Variables []protoreflect.FieldDescriptor
	// HasBody is whether the body of the request goes into the message.
	HasBody bool
	// Body is the field that the body goes into. Nil means the message as a whole, if
	// HasBody is set.
	Body protoreflect.FieldDescriptor
	// ResponseBody is the field of the reply that the response consists of. Nil means all
	// of it.
	ResponseBody protoreflect.FieldDescriptor
}

// Pattern returns what decides whether a request is for the binding. Bindings with the
// same pattern are for the same requests.
func (b *Binding) Pattern() string { return b.Verb + " " + b.Path.Shape() }

// Bindings returns the ways to call a method, in order of declaration: its rule, and the
// additional ones; or by default POST /package.Service/Method with the message as body. The
// error has the text that the protocol prescribes, and a line that says where.
func Bindings(method protoreflect.MethodDescriptor) ([]*Binding, error) {
	rule := ruleOf(method)
	if rule == nil {
		return byDefault(method)
	}
	var bindings []*Binding
	for _, r := range append([]*httpannotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
		b, err := compile(method, r)
		if err == nil && r != rule && len(r.GetAdditionalBindings()) > 0 {
			err = misconfigured("Only one level of additionalBindings supported, but [%s] has more than one!", text(rule))
		}
		if err != nil {
			return nil, fmt.Errorf("HTTP API Config: %w\n  in the google.api.http rule [%s] of %s", err, text(r), method.FullName())
		}
		bindings = append(bindings, b)
	}
	return bindings, nil
}

// byDefault returns the binding of a method without a rule. There is none if nobody knows
// what a request or a reply looks like, because a type is not in the descriptor set.
func byDefault(method protoreflect.MethodDescriptor) ([]*Binding, error) {
	if missingType(method) != "" {
		return nil, nil
	}
	path, err := Parse("/" + string(method.Parent().FullName()) + "/" + string(method.Name()))
	if err != nil {
		return nil, err
	}
	return []*Binding{{Verb: "POST", Path: path, HasBody: true}}, nil
}

// missingType returns what is missing to know the JSON of a method's messages; empty if
// nothing is.
func missingType(method protoreflect.MethodDescriptor) protoreflect.FullName {
	seen := make(map[protoreflect.FullName]bool)
	for _, message := range []protoreflect.MessageDescriptor{method.Input(), method.Output()} {
		if message.IsPlaceholder() {
			return message.FullName()
		}
		if missing := missingIn(message, seen); missing != "" {
			return missing
		}
	}
	return ""
}

// missingIn returns a field of a message, at any depth, of which it is not even known
// whether it is a message. Fields that are messages which are missing are taken for empty.
func missingIn(message protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) protoreflect.FullName {
	if seen[message.FullName()] {
		return ""
	}
	seen[message.FullName()] = true
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if !field.Kind().IsValid() {
			return field.FullName()
		}
		if field.Message() == nil {
			continue
		}
		if missing := missingIn(field.Message(), seen); missing != "" {
			return missing
		}
	}
	return ""
}

// ruleOf returns the rule of a method, or nil if it has none.
func ruleOf(method protoreflect.MethodDescriptor) *httpannotations.HttpRule {
	if !proto.HasExtension(method.Options(), httpannotations.E_Http) {
		return nil
	}
	rule, _ := proto.GetExtension(method.Options(), httpannotations.E_Http).(*httpannotations.HttpRule)
	return rule
}

// text returns a rule as its developer may have written it, on one line.
func text(rule *httpannotations.HttpRule) string {
	return strings.Join(strings.Fields(prototext.MarshalOptions{AllowPartial: true}.Format(rule)), " ")
}
