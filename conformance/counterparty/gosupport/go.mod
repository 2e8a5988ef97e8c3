module github.com/cloudstate-go/cloudstate/conformance/counterparty/gosupport

go 1.26.0

tool github.com/cloudstateio/go-support/tck/cmd/tck_eventsourced

require (
	github.com/cloudstateio/go-support v0.3.0 // indirect
	github.com/golang/protobuf v1.4.3 // indirect
	golang.org/x/net v0.0.0-20200324143707-d3edc9973b7e // indirect
	golang.org/x/sys v0.0.0-20200413165638-669c56c373c4 // indirect
	golang.org/x/text v0.3.2 // indirect
	google.golang.org/genproto v0.0.0-20200526211855-cb27e3aa2013 // indirect
	google.golang.org/grpc v1.33.1 // indirect
	google.golang.org/protobuf v1.25.0 // indirect
)
