//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// asProgram tells the test binary to be the program.
const asProgram = "CLOUDSTATE_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// start starts the program in a process of its own, and returns its log.
func start(t *testing.T, args ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	command := exec.CommandContext(t.Context(), self, args...)
	command.Env = append(os.Environ(), asProgram+"=1")
	log, err := command.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	return command, bufio.NewReader(log)
}

// await reads the log until a line has a text, and returns it.
func await(t *testing.T, log *bufio.Reader, text string) string {
	t.Helper()
	for {
		line, err := log.ReadString('\n')
		require.NoError(t, err, "the log ends without %q", text)
		if strings.Contains(line, text) {
			return line
		}
	}
}

// lonely are arguments for a proxy whose user function is not there.
func lonely(t *testing.T) []string {
	t.Helper()
	return []string{
		"proxy", "--store", "sqlite:" + filepath.Join(t.TempDir(), "cart.db"), "--user-function", "127.0.0.1:1",
		"--listen", "127.0.0.1:0", "--management", "127.0.0.1:0", "--metrics", "off",
	}
}

func TestProgram_StopsOnSignals(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			command, log := start(t, lonely(t)...)
			await(t, log, "management is served")
			require.NoError(t, command.Process.Signal(signal))
			rest, err := io.ReadAll(log)
			require.NoError(t, err)
			require.Contains(t, string(rest), "proxy has stopped")
			require.NoError(t, command.Wait(), "exit with 0")
		})
	}
}

func TestProgram_ExitsWithWhatWentWrong(t *testing.T) {
	t.Parallel()
	args := lonely(t)
	first, log := start(t, args...)
	await(t, log, "management is served")
	second, secondLog := start(t, args...)
	line := await(t, secondLog, "proxy failed")
	require.Contains(t, line, "is in use by process")
	var exit *exec.ExitError
	require.ErrorAs(t, second.Wait(), &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.NoError(t, first.Process.Signal(syscall.SIGTERM))
	await(t, log, "proxy has stopped")
	require.NoError(t, first.Wait())

	third, thirdLog := start(t, "proxy", "--listen", "nowhere")
	await(t, thirdLog, `"nowhere" is not an address`)
	_, err := io.Copy(io.Discard, thirdLog)
	require.NoError(t, err)
	require.ErrorAs(t, third.Wait(), &exit)
	require.Equal(t, 2, exit.ExitCode())
}
