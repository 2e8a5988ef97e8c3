package program

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/cloudstate-go/cloudstate/protocol"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(command.OutOrStdout(), "cloudstate %s (%s %s/%s), Cloudstate protocol %d.%d\n",
				version(debug.ReadBuildInfo()), runtime.Version(), runtime.GOOS, runtime.GOARCH, protocol.MajorVersion, protocol.MinorVersion)
			return failed(err)
		},
	}
}

// version returns the version of the main module, with the commit that it was built from if
// that is not a release.
func version(build *debug.BuildInfo, ok bool) string {
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, setting := range build.Settings {
		settings[setting.Key] = setting.Value
	}
	version := build.Main.Version
	if commit := settings["vcs.revision"]; version == "(devel)" && commit != "" {
		version += " " + commit
		if settings["vcs.modified"] == "true" {
			version += ", changed"
		}
	}
	return version
}
