package monitor

import (
	"google.golang.org/protobuf/proto"

	"github.com/cloudstate-go/cloudstate/protocol/valueentitypb"
)

// valueEntity watches a stream of a value entity.
type valueEntity struct{ commands }

func (v *valueEntity) proxy(message proto.Message) {
	in, _ := message.(*valueentitypb.ValueEntityStreamIn) // begin has looked
	v.expectInit(in.GetInit() != nil)
	switch m := in.GetMessage().(type) {
	case *valueentitypb.ValueEntityStreamIn_Init:
		v.init(m.Init)
	case *valueentitypb.ValueEntityStreamIn_Command:
		v.alone(m.Command)
	default:
		v.violatedf(v.initRule, "the proxy has sent an empty message")
	}
}

// init compares the state with what is stored.
func (v *valueEntity) init(init *valueentitypb.ValueEntityInit) {
	if init.GetState() == nil {
		v.violatedf("P-070", "Init has no state, want one, without a value if nothing is stored")
		return
	}
	var got proto.Message
	if value := init.GetState().GetValue(); value != nil {
		got = value
	}
	if v.stored.unknown || same(got, v.stored.value) {
		return
	}
	rule := "P-070"
	if v.stored.deleted {
		rule = "P-075"
	}
	v.violatedf(rule, "Init has the value %v, want %v as it is stored", got, v.stored.value)
}

func (v *valueEntity) userFunction(message proto.Message) {
	out, _ := message.(*valueentitypb.ValueEntityStreamOut) // nil is the end
	switch reply := out.GetReply(); {
	case message == nil:
		v.gone()
	case reply == nil:
		v.excused = true
	case !v.answered(reply.GetCommandId()) || v.excused:
	case reply.GetClientAction().GetFailure() != nil:
	default:
		v.store(reply.GetStateAction())
	}
}

func (v *valueEntity) store(action *valueentitypb.ValueEntityAction) {
	switch a := action.GetAction().(type) {
	case *valueentitypb.ValueEntityAction_Update:
		if a.Update.GetValue() == nil {
			v.excused = true
			return
		}
		v.stored.value, v.stored.deleted = a.Update.GetValue(), false
	case *valueentitypb.ValueEntityAction_Delete:
		v.stored.value, v.stored.deleted = nil, true
	}
}
