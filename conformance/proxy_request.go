package conformance

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/conformance/modelpb/crdtmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/eventsourcedmodel"
	"github.com/cloudstate-go/cloudstate/conformance/modelpb/valuemodel"
)

// request returns a request that does nothing.
func (k *entityKind) request(id string) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Request{Id: id}
	case valueEntityKind:
		return &valuemodel.Request{Id: id}
	default:
		return &crdtmodel.Request{Id: id}
	}
}

// marked returns a request with a text, for scripted entities.
func (k *entityKind) marked(id, text string) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Request{Id: id, Actions: es.emitAll(text)}
	case valueEntityKind:
		return &valuemodel.Request{Id: id, Actions: []*valuemodel.RequestAction{ve.update(text)}}
	default:
		return &crdtmodel.Request{Id: id, Actions: cr.updates(cr.addG(text))}
	}
}

// echo returns a response with a text.
func (k *entityKind) echo(text string) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Response{Message: text}
	case valueEntityKind:
		return &valuemodel.Response{Message: text}
	default:
		return &crdtmodel.Response{State: cr.register(text)}
	}
}

// failing returns a request to the model that fails with a text.
func (k *entityKind) failing(id, text string) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Request{Id: id, Actions: []*eventsourcedmodel.RequestAction{es.fail(text)}}
	case valueEntityKind:
		return &valuemodel.Request{Id: id, Actions: []*valuemodel.RequestAction{ve.fail(text)}}
	default:
		return &crdtmodel.Request{Id: id, Actions: []*crdtmodel.RequestAction{cr.fail(text)}}
	}
}

// forwarding returns a request to the model to forward to another entity.
func (k *entityKind) forwarding(id, target string) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Request{Id: id, Actions: []*eventsourcedmodel.RequestAction{es.forward(target)}}
	case valueEntityKind:
		return &valuemodel.Request{Id: id, Actions: []*valuemodel.RequestAction{ve.forward(target)}}
	default:
		return &crdtmodel.Request{Id: id, Actions: []*crdtmodel.RequestAction{cr.forward(target)}}
	}
}

// affecting returns a request to the model with a side effect on another entity.
func (k *entityKind) affecting(id, target string, synchronous bool) proto.Message {
	switch k {
	case eventSourcedKind:
		return &eventsourcedmodel.Request{Id: id, Actions: []*eventsourcedmodel.RequestAction{es.effect(target, synchronous)}}
	case valueEntityKind:
		return &valuemodel.Request{Id: id, Actions: []*valuemodel.RequestAction{ve.effect(target, synchronous)}}
	default:
		return &crdtmodel.Request{Id: id, Actions: []*crdtmodel.RequestAction{cr.effect(target, synchronous)}}
	}
}

// idle returns the response of the model to a request that changes nothing.
func (k *entityKind) idle() proto.Message {
	if k == crdtKind {
		return &crdtmodel.Response{State: cr.gcounter(0)}
	}
	return k.response
}
