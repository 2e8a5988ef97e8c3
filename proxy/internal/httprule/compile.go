package httprule

import (
	"fmt"
	"strings"

	httpannotations "google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A configError is the text that the protocol prescribes for a mistake.
type configError string

func (e configError) Error() string { return string(e) }

func misconfigured(format string, args ...any) error {
	return configError(fmt.Sprintf(format, args...))
}

// compile checks a rule without its additional bindings.
func compile(method protoreflect.MethodDescriptor, rule *httpannotations.HttpRule) (*Binding, error) {
	if selector := rule.GetSelector(); selector != "" && selector != string(method.FullName()) {
		return nil, misconfigured("Rule selector [%s] must be empty or [%s]", selector, method.FullName())
	}
	if missing := missingType(method); missing != "" {
		return nil, misconfigured("The type of [%s] is not in the descriptor set; include the file that declares it", missing)
	}
	verb, path, err := pattern(rule)
	if err != nil {
		return nil, err
	}
	b := &Binding{Verb: verb}
	if b.Path, err = Parse(path); err != nil {
		return nil, err
	}
	for _, v := range b.Path.Variables() {
		field, err := variable(method, v.Field)
		if err != nil {
			return nil, err
		}
		b.Variables = append(b.Variables, field)
	}
	if err := b.body(method.Input(), rule.GetBody()); err != nil {
		return nil, err
	}
	if name := rule.GetResponseBody(); name != "" {
		b.ResponseBody = method.Output().Fields().ByName(protoreflect.Name(name))
		if b.ResponseBody == nil {
			return nil, misconfigured("Response body field [%s] does not exist on type [%s]", name, method.Output().FullName())
		}
	}
	return b, nil
}

// pattern returns the HTTP method and the path of a rule.
func pattern(rule *httpannotations.HttpRule) (verb, path string, err error) {
	switch p := rule.GetPattern().(type) {
	case *httpannotations.HttpRule_Get:
		return "GET", p.Get, nil
	case *httpannotations.HttpRule_Put:
		return "PUT", p.Put, nil
	case *httpannotations.HttpRule_Post:
		return "POST", p.Post, nil
	case *httpannotations.HttpRule_Delete:
		return "DELETE", p.Delete, nil
	case *httpannotations.HttpRule_Patch:
		return "PATCH", p.Patch, nil
	case *httpannotations.HttpRule_Custom:
		if kind := p.Custom.GetKind(); kind != "*" {
			return "", "", misconfigured("Only Custom patterns with [*] kind supported but [%s] found!", kind)
		}
		return "*", p.Custom.GetPath(), nil
	default:
		return "", "", misconfigured("Pattern missing for rule [%s]!", text(rule))
	}
}

// variable returns the field that a variable of a path fills.
func variable(method protoreflect.MethodDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	if strings.Contains(name, ".") {
		return nil, misconfigured("Multiple fields in field path not yet implemented: %s", name)
	}
	input := method.Input()
	field := input.Fields().ByName(protoreflect.Name(name))
	switch {
	case field == nil:
		return nil, misconfigured("Unknown field name [%s] in type [%s] reference in path template for method [%s]", name, input.FullName(), method.FullName())
	case field.IsMap():
		return nil, misconfigured("Map parameters [%s] are not allowed as path variables", name)
	case field.Cardinality() == protoreflect.Repeated:
		return nil, misconfigured("Repeated parameters [%s] are not allowed as path variables", name)
	case field.Kind() == protoreflect.EnumKind:
		return nil, misconfigured("Enum path parameters not supported!")
	case field.Message() != nil || !field.Kind().IsValid():
		return nil, misconfigured("Message path parameters not supported!")
	default:
		return field, nil
	}
}

// body sets where the body of a request goes.
func (b *Binding) body(input protoreflect.MessageDescriptor, name string) error {
	b.HasBody = name != ""
	if name == "" || name == "*" {
		return nil
	}
	b.Body = input.Fields().ByName(protoreflect.Name(name))
	switch {
	case b.Body == nil:
		return misconfigured("Body configured to [%s] but that field does not exist on input type.", name)
	case b.Body.Cardinality() == protoreflect.Repeated:
		return misconfigured("Body configured to [%s] but that field is a repeated field.", name)
	default:
		return nil
	}
}
