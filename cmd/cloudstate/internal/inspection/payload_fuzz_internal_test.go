package inspection

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cloudstate-go/cloudstate/examples/shoppingcart/domain"
	"github.com/cloudstate-go/cloudstate/protocol"
)

// Whatever is stored is shown, decoded or not.
func FuzzDecoder_Payload(f *testing.F) {
	for url, value := range map[string]string{
		"type.googleapis.com/com.example.shoppingcart.persistence.ItemAdded": "\x0a\x07\x0a\x05shirt",
		"type.googleapis.com/com.example.shoppingcart.persistence.Cart":      "\x0a\xff",
		"p.cloudstate.io/double":       "\x09\x00\x00\x00\x00\x00\x00\xf8\x7f", // NaN, which JSON does not have
		"p.cloudstate.io/string":       "\x0a\x01\xff",
		"p.cloudstate.io/":             "",
		"json.cloudstate.io/notes":     "\x0a\x02{}",
		"json.cloudstate.io/nothing":   "",
		"type.googleapis.com/a.B":      "x",
		"no url":                       "",
		"type.googleapis.com/a b/\xff": "",
	} {
		f.Add(url, []byte(value))
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(domain.File_shoppingcart_persistence_domain_proto),
	}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, url string, value []byte) {
		complaints := 0
		d, err := newDecoder(&protocol.EntitySpec{Proto: set}, func(string, error) { complaints++ })
		require.NoError(t, err)
		got := d.payload(&anypb.Any{TypeUrl: url, Value: value})
		require.Equal(t, url, got.TypeURL)
		if complaints > 0 {
			require.Nil(t, got.Data)
		} else {
			require.True(t, json.Valid(got.Data), "%s", got.Data)
		}
		_, err = json.Marshal(got)
		require.NoError(t, err)
	})
}

// A file may import what was not sent, or have types of protobuf that are none.
func TestDecoder_LivesWithDescriptorsOfOthers(t *testing.T) {
	t.Parallel()
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: &name, Field: fields}
	}
	field := func(typ descriptorpb.FieldDescriptorProto_Type, name string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{
			Name: new("f"), Number: new(int32(1)), Type: &typ, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}
		if name != "" {
			f.TypeName = &name
		}
		return f
	}
	of := func(dependency, typeName string) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{
			Name: new("a.proto"), Package: new("a"), Syntax: new("proto3"), Dependency: []string{dependency},
			MessageType: []*descriptorpb.DescriptorProto{message("A", field(descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, typeName))},
		}
	}
	timestamp := "google/protobuf/timestamp.proto"
	tests := map[string]struct {
		files []*descriptorpb.FileDescriptorProto
		want  string // "" for one that cannot be shown
	}{
		"a file of protobuf is missing":  {[]*descriptorpb.FileDescriptorProto{of(timestamp, ".google.protobuf.Timestamp")}, `{"f":"1970-01-01T00:00:01Z"}`},
		"another file is missing":        {[]*descriptorpb.FileDescriptorProto{of("b.proto", ".b.B")}, `{"f":{}}`},
		"the file of a type is not that": {[]*descriptorpb.FileDescriptorProto{of("b.proto", ".google.protobuf.Timestamp")}, ""},
		"a type of protobuf is another": {[]*descriptorpb.FileDescriptorProto{
			of(timestamp, ".google.protobuf.Timestamp"),
			{
				Name: new(timestamp), Package: new("google.protobuf"), Syntax: new("proto3"),
				MessageType: []*descriptorpb.DescriptorProto{message("Timestamp", field(descriptorpb.FieldDescriptorProto_TYPE_BYTES, ""))},
			},
		}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: tt.files})
			require.NoError(t, err)
			complaints := 0
			d, err := newDecoder(&protocol.EntitySpec{Proto: set}, func(string, error) { complaints++ })
			require.NoError(t, err)
			got := d.payload(&anypb.Any{TypeUrl: "type.googleapis.com/a.A", Value: []byte("\x0a\x02\x08\x01")})
			require.Equal(t, tt.want, string(got.Data))
			if tt.want == "" {
				require.Equal(t, 1, complaints)
				require.Equal(t, "CgIIAQ==", got.Base64)
			}
		})
	}
}

func FuzzNewDecoder(f *testing.F) {
	f.Add([]byte("\x0a\x02\x0a\x00"))
	f.Add([]byte("\x0a\x05\x0a\x03a.p"))
	f.Add([]byte("x"))
	f.Fuzz(func(_ *testing.T, set []byte) {
		_, _ = newDecoder(&protocol.EntitySpec{Proto: set}, func(string, error) {}) // must not panic
	})
}
