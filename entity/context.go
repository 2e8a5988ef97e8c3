package entity

import (
	"context"

	"github.com/cloudstate-go/cloudstate/internal/command"
)

// ID returns the id of the entity whose command ctx belongs to: the entity key of
// the request, never empty. It returns "" if ctx does not come from a command of an
// entity; actions have no id.
func ID(ctx context.Context) string {
	if c := command.FromContext(ctx); c != nil {
		return c.EntityID
	}
	return ""
}

// CommandName returns the simple name of the method that ctx belongs to, such as
// "AddItem", or "" if ctx does not come from a command.
func CommandName(ctx context.Context) string {
	if c := command.FromContext(ctx); c != nil {
		return c.Name
	}
	return ""
}
