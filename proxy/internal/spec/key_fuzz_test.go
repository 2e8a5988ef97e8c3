package spec_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/cloudstate-go/cloudstate/proxy/internal/spec"
)

// everyKind is a method whose request has a key of each kind but floating point, whose
// text the oracle cannot tell, some of them in a oneof, and other fields.
func everyKind(tb testing.TB) *spec.Method {
	tb.Helper()
	return keyed(tb,
		entityKey(field("string", descriptorpb.FieldDescriptorProto_TYPE_STRING, "")),
		field("other", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""),
		entityKey(field("bool", descriptorpb.FieldDescriptorProto_TYPE_BOOL, "")),
		entityKey(field("int32", descriptorpb.FieldDescriptorProto_TYPE_INT32, "")),
		entityKey(field("sint32", descriptorpb.FieldDescriptorProto_TYPE_SINT32, "")),
		entityKey(field("uint32", descriptorpb.FieldDescriptorProto_TYPE_UINT32, "")),
		entityKey(field("int64", descriptorpb.FieldDescriptorProto_TYPE_INT64, "")),
		entityKey(field("sint64", descriptorpb.FieldDescriptorProto_TYPE_SINT64, "")),
		entityKey(field("uint64", descriptorpb.FieldDescriptorProto_TYPE_UINT64, "")),
		entityKey(field("fixed32", descriptorpb.FieldDescriptorProto_TYPE_FIXED32, "")),
		entityKey(field("sfixed64", descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, "")),
		entityKey(field("enum", descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".test.Size")),
		choice(entityKey(field("chosen", descriptorpb.FieldDescriptorProto_TYPE_STRING, ""))),
		choice(field("number", descriptorpb.FieldDescriptorProto_TYPE_SINT32, "")),
		choice(field("keyed", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".test.Keyed")),
	)
}

// FuzzMethod_EntityKey checks that reading a key never panics, and that a request
// which protobuf decodes has the key of the decoded message.
func FuzzMethod_EntityKey(f *testing.F) {
	m := everyKind(f)
	f.Add([]byte(nil))
	f.Add([]byte("\x0a\x05hello\x12\x03you\x18\x01\x20\x05\x28\x05"))
	f.Add([]byte("\x60\x09\x60\x04\x55\x01\x00\x00\x00\x59\x01\x02\x03\x04\x05\x06\x07\x08"))
	f.Add([]byte("\x6a\x01a\x70\x03"))          // a oneof whose key is replaced
	f.Add([]byte("\x6a\x01a\x7a\x03\x0a\x01b")) // by a message
	f.Add([]byte("\x0a\xff\x01"))               // longer than its data
	f.Add([]byte("\x08\x01"))                   // another wire type
	f.Add([]byte("\xf3\x07\x0a\x01a\xf4\x07"))  // a group
	f.Add([]byte("\x0a\x01\xff\xf8\xff\xff\xff\x0f\x01"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := m.EntityKey(payload)
		request := dynamicpb.NewMessage(m.Descriptor.Input())
		if proto.Unmarshal(payload, request) != nil {
			return // it may be wrong below the top level, where nobody looked
		}
		if err != nil {
			require.ErrorContains(t, err, "wire type")
			require.True(t, otherWireType(request), "protobuf decodes what EntityKey refuses: %v", err)
			return
		}
		require.Equal(t, oracle(request), got)
	})
}

// oracle joins the keys of a decoded request.
func oracle(request protoreflect.Message) string {
	var texts []string
	fields := request.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Name() == "other" || field.Name() == "number" || field.Name() == "keyed" {
			continue
		}
		text := request.Get(field).String()
		if field.Kind() == protoreflect.EnumKind {
			number := request.Get(field).Enum()
			text = strconv.Itoa(int(number))
			if value := field.Enum().Values().ByNumber(number); value != nil {
				text = string(value.Name())
			}
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "-")
}

// otherWireType reports whether a known field was skipped, because of its encoding.
func otherWireType(request protoreflect.Message) bool {
	for unknown := request.GetUnknown(); len(unknown) > 0; {
		number, _, n := protowire.ConsumeField(unknown)
		if request.Descriptor().Fields().ByNumber(number) != nil {
			return true
		}
		unknown = unknown[n:]
	}
	return false
}
