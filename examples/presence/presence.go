// Package presence knows who is online in a chat, whatever node people are connected to. It
// shows a replicated entity with streams.
package presence

import (
	"context"

	"google.golang.org/grpc"

	"github.com/cloudstate-go/cloudstate/crdt"
	pb "github.com/cloudstate-go/cloudstate/examples/presence/presencepb"
)

//snippet:presence

// Presence is whether one user is online: each node votes for it while somebody is connected
// there.
type Presence struct {
	crdt.Base[*crdt.Vote]
	pb.UnsafePresenceServer

	connections int // to this node
}

var _ pb.PresenceServer = (*Presence)(nil) // the compiler insists on every command

// Connect makes the user online for as long as the stream is open.
func (p *Presence) Connect(_ *pb.User, stream grpc.ServerStreamingServer[pb.Status]) error {
	p.connections++
	p.Data().Set(true) // first turn: may change the value
	if err := stream.Send(&pb.Status{Online: true}); err != nil {
		return err
	}
	for range p.Changes(stream.Context()) { // suspended between changes, in the entity's own turn
		continue // whoever is connected is online, whatever changes
	}
	p.connections--
	p.Data().Set(p.connections > 0) // last turn: the client is gone
	return nil
}

// Monitor returns whether a user is online, now and whenever that changes.
func (p *Presence) Monitor(_ *pb.User, stream grpc.ServerStreamingServer[pb.Status]) error {
	online := p.Data().AtLeastOne()
	if err := stream.Send(&pb.Status{Online: online}); err != nil {
		return err
	}
	for vote := range p.Changes(stream.Context()) {
		if vote.AtLeastOne() == online {
			continue
		}
		online = vote.AtLeastOne()
		if err := stream.Send(&pb.Status{Online: online}); err != nil {
			return err
		}
	}
	return nil
}

//snippet:end

// Check returns whether a user is online.
func (p *Presence) Check(context.Context, *pb.User) (*pb.Status, error) {
	return &pb.Status{Online: p.Data().AtLeastOne()}, nil
}

// Entity declares the presence of users.
var Entity = &crdt.Entity[*Presence]{
	Service: &pb.Presence_ServiceDesc,
	New:     func(string) *Presence { return &Presence{Base: crdt.NewBase(crdt.NewVote())} },
}
