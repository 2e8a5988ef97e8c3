package cloudstate

//go:generate env GOWORK=off go tool -modfile=tools/go.mod buf generate
