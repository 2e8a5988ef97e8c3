package replica

import (
	"fmt"

	"github.com/cloudstate-go/cloudstate/protocol/crdtpb"
)

// A Kind is one of the types of CRDTs. Its numbers are those of the variants of a delta.
type Kind uint8

// The types of CRDTs.
const (
	GCounter Kind = 1 + iota
	PNCounter
	GSet
	ORSet
	LWWRegister
	Flag
	ORMap
	Vote
)

var kindNames = [...]string{"nothing", "GCounter", "PNCounter", "GSet", "ORSet", "LWWRegister", "Flag", "ORMap", "Vote"}

// String returns the name of the type.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// KindOf returns the type that a delta belongs to, or 0 if it is empty.
func KindOf(delta *crdtpb.CrdtDelta) Kind {
	switch delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return GCounter
	case *crdtpb.CrdtDelta_Pncounter:
		return PNCounter
	case *crdtpb.CrdtDelta_Gset:
		return GSet
	case *crdtpb.CrdtDelta_Orset:
		return ORSet
	case *crdtpb.CrdtDelta_Lwwregister:
		return LWWRegister
	case *crdtpb.CrdtDelta_Flag:
		return Flag
	case *crdtpb.CrdtDelta_Ormap:
		return ORMap
	case *crdtpb.CrdtDelta_Vote:
		return Vote
	default:
		return 0
	}
}
