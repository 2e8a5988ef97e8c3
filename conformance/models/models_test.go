package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/conformance/models"
)

func TestService_IsValid(t *testing.T) {
	t.Parallel()
	require.NoError(t, models.Service().Validate())
	require.Len(t, models.Components(), 14)
}
