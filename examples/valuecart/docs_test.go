package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"
)

// console matches a block of commands and what they print.
var console = regexp.MustCompile("(?s)```console\n(.*?)```")

// The commands in docs/http.md print what it says.
func TestDocs_CommandsWork(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/http.md")
	require.NoError(t, err)
	client := serve(t)
	commands := 0
	for _, block := range console.FindAllStringSubmatch(string(page), -1) {
		for _, entry := range strings.Split("\n"+block[1], "\n$ curl ")[1:] {
			command, want, _ := strings.Cut(strings.ReplaceAll(entry, "\\\n", ""), "\n")
			require.Equal(t, strings.TrimRight(want, "\n"), strings.TrimRight(curl(t, client, command), "\n"), "curl %s", command)
			commands++
		}
	}
	require.Greater(t, commands, 5)
}

// serve runs the program in memory, and returns a client of it.
func serve(t *testing.T) *http.Client {
	t.Helper()
	p := newProxy("")
	p.Logger = slog.New(slog.DiscardHandler)
	lis := bufconn.Listen(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, lis) }()
	transport := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.DialContext(ctx) },
		DisableKeepAlives: true, // bufconn may take a deadline for passed that was lifted
	}
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-served)
	})
	return &http.Client{Transport: transport}
}

// word matches an argument, in quotes or without.
var word = regexp.MustCompile(`'([^']*)'|(\S+)`)

// curl does what the program of that name does with these arguments, and returns what it
// prints.
func curl(t *testing.T, client *http.Client, arguments string) string {
	t.Helper()
	var words []string
	for _, match := range word.FindAllStringSubmatch(arguments, -1) {
		words = append(words, match[1]+match[2])
	}
	method, target, body, format, header := http.MethodGet, "", "", "", http.Header{}
	for len(words) > 0 {
		option := words[0]
		words = words[1:]
		if option == "-s" || option == "-N" {
			continue
		}
		if !strings.HasPrefix(option, "-") {
			target = option
			continue
		}
		require.NotEmpty(t, words, "%s needs an argument", option)
		argument := words[0]
		words = words[1:]
		switch option {
		case "-H":
			name, value, _ := strings.Cut(argument, ": ")
			header.Set(name, value)
		case "-X":
			method = argument
		case "-w":
			format = argument
		case "-d":
			method, body = http.MethodPost, argument
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
		default:
			require.Fail(t, "the test does not know this option", option)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = header
	response, err := client.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	return string(text) + strings.NewReplacer("%{http_code}", fmt.Sprint(response.StatusCode), `\n`, "\n").Replace(format)
}
