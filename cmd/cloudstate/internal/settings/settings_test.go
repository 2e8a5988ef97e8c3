package settings_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
)

// flags are one of each type. Unlike real ones, the addresses share no variable.
type flags struct {
	*pflag.FlagSet

	listen, remote, metrics *settings.Address
	timeout                 settings.Duration
	size                    settings.Size
	attempts                settings.Attempts
	format                  settings.Choice
	skip                    bool
	origins                 []string
}

func newFlags() *flags {
	f := &flags{
		FlagSet:  pflag.NewFlagSet("test", pflag.ContinueOnError),
		listen:   (&settings.Address{PortFrom: "HTTP_PORT"}).Is(":9000"),
		remote:   (&settings.Address{HostFrom: "USER_FUNCTION_HOST", PortFrom: "USER_FUNCTION_PORT", Remote: true}).Is("127.0.0.1:8080"),
		metrics:  (&settings.Address{HostFrom: "METRICS_HOST", PortFrom: "METRICS_PORT", Optional: true}).Is(settings.Off),
		timeout:  settings.Duration(time.Minute),
		size:     12 << 20,
		attempts: 10,
		format:   settings.Choice{Of: []string{"text", "json"}},
	}
	f.Var(f.listen, "listen", "")
	f.Var(f.remote, "user-function", "")
	f.Var(f.metrics, "metrics", "")
	f.Var(&f.timeout, "relay-timeout", "")
	f.Var(&f.size, "max-message-size", "")
	f.Var(&f.attempts, "eventing-attempts", "")
	f.Var(&f.format, "log-format", "")
	f.BoolVar(&f.skip, "skip-version-check", false, "")
	f.StringSliceVar(&f.origins, "cors-origin", nil, "")
	f.String("config", "", "")
	return f
}

// apply parses the arguments and applies the sources.
func (f *flags) apply(t *testing.T, args []string, env map[string]string, file string) error {
	t.Helper()
	require.NoError(t, f.Parse(args))
	sources := settings.Sources{Env: func(name string) (string, bool) { value, ok := env[name]; return value, ok }}
	if file != "" {
		sources.File = filepath.Join(t.TempDir(), "proxy.yaml")
		require.NoError(t, os.WriteFile(sources.File, []byte(file), 0o600))
	}
	return sources.Apply(f.FlagSet)
}

func TestSources_HaveAPrecedence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		env  map[string]string
		file string
		flag string
		want string
	}{
		"the default, without anything else":   {flag: "listen", want: ":9000"},
		"the file before the default":          {file: "listen: :9001", flag: "listen", want: ":9001"},
		"a part from the environment":          {env: map[string]string{"HTTP_PORT": "9002"}, file: "listen: 10.0.0.1:9001", flag: "listen", want: "10.0.0.1:9002"},
		"the environment before a part":        {env: map[string]string{"HTTP_PORT": "9002", "CLOUDSTATE_LISTEN": ":9003"}, file: "listen: :9001", flag: "listen", want: ":9003"},
		"the flag before everything":           {args: []string{"--listen", ":9004"}, env: map[string]string{"HTTP_PORT": "9002", "CLOUDSTATE_LISTEN": ":9003"}, file: "listen: :9001", flag: "listen", want: ":9004"},
		"a flag that says the default":         {args: []string{"--listen", ":9000"}, env: map[string]string{"HTTP_PORT": "9002"}, flag: "listen", want: ":9000"},
		"an empty variable is not set":         {env: map[string]string{"HTTP_PORT": "", "CLOUDSTATE_LISTEN": ""}, file: "listen: :9001", flag: "listen", want: ":9001"},
		"both parts":                           {env: map[string]string{"USER_FUNCTION_HOST": "cart", "USER_FUNCTION_PORT": "81"}, flag: "user-function", want: "cart:81"},
		"the host alone":                       {env: map[string]string{"USER_FUNCTION_HOST": "::1"}, flag: "user-function", want: "[::1]:8080"},
		"a port switches on":                   {env: map[string]string{"METRICS_PORT": "9090"}, flag: "metrics", want: ":9090"},
		"a host alone does not":                {env: map[string]string{"METRICS_HOST": "0.0.0.0"}, flag: "metrics", want: "off"},
		"both switch on":                       {env: map[string]string{"METRICS_HOST": "::", "METRICS_PORT": "9090"}, flag: "metrics", want: "[::]:9090"},
		"off in the environment":               {env: map[string]string{"CLOUDSTATE_METRICS": "off"}, file: "metrics: :9090", flag: "metrics", want: "off"},
		"a duration in the file":               {file: "relay-timeout: 1m30s", flag: "relay-timeout", want: "1m30s"},
		"a duration in the environment":        {env: map[string]string{"CLOUDSTATE_RELAY_TIMEOUT": "5s"}, flag: "relay-timeout", want: "5s"},
		"a size":                               {file: "max-message-size: 1536KiB", flag: "max-message-size", want: "1536KiB"},
		"a size as the reference proxy has it": {env: map[string]string{"CLOUDSTATE_MAX_MESSAGE_SIZE": "12M"}, flag: "max-message-size", want: "12MiB"},
		"a size in bytes":                      {args: []string{"--max-message-size=1025"}, flag: "max-message-size", want: "1025B"},
		"a number of attempts":                 {file: "eventing-attempts: 3", flag: "eventing-attempts", want: "3"},
		"attempts without end":                 {env: map[string]string{"CLOUDSTATE_EVENTING_ATTEMPTS": "unlimited"}, flag: "eventing-attempts", want: "unlimited"},
		"a word":                               {file: "log-format: json", flag: "log-format", want: "json"},
		"a truth in the file":                  {file: "skip-version-check: true", flag: "skip-version-check", want: "true"},
		"a truth in the environment":           {env: map[string]string{"CLOUDSTATE_SKIP_VERSION_CHECK": "true"}, flag: "skip-version-check", want: "true"},
		"a list in the file":                   {file: "cors-origin: [https://a, https://b]", flag: "cors-origin", want: "[https://a,https://b]"},
		"one of a list in the file":            {file: "cors-origin: https://a", flag: "cors-origin", want: "[https://a]"},
		"a list in the environment, not both":  {env: map[string]string{"CLOUDSTATE_CORS_ORIGIN": "https://b,https://c"}, file: "cors-origin: [https://a]", flag: "cors-origin", want: "[https://b,https://c]"},
		"a list on the command line, not all":  {args: []string{"--cors-origin=https://d", "--cors-origin=https://e"}, env: map[string]string{"CLOUDSTATE_CORS_ORIGIN": "https://b"}, flag: "cors-origin", want: "[https://d,https://e]"},
		"an empty file":                        {file: "\n# nothing\n", flag: "listen", want: ":9000"},
		"a variable without a flag":            {env: map[string]string{"CLOUDSTATE_HELP": "true"}, flag: "log-format", want: "text"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFlags()
			require.NoError(t, f.apply(t, tt.args, tt.env, tt.file))
			require.Equal(t, tt.want, f.Lookup(tt.flag).Value.String())
		})
	}
}

func TestSources_SayWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		env  map[string]string
		file string
		want []string
	}{
		"an unknown setting":    {file: "listen: :9001\nlisen: :9002\n", want: []string{"proxy.yaml, line 2", `"lisen"`, "log-format"}},
		"the file in the file":  {file: "config: other.yaml", want: []string{"line 1", `"config"`}},
		"all mistakes":          {env: map[string]string{"CLOUDSTATE_RELAY_TIMEOUT": "5"}, file: "a: 1\nb: 2\nlog-format: xml", want: []string{`"a"`, `"b"`, `line 3: log-format: found "xml", want one of: text, json`, "CLOUDSTATE_RELAY_TIMEOUT: \"5\" is not a positive duration"}},
		"a setting twice":       {file: "listen: :9001\nlisten: :9002\n", want: []string{"line 2", "in line 1 already"}},
		"no value":              {file: "listen:\n", want: []string{"line 1: listen: found nothing, want a value"}},
		"a mapping as value":    {file: "listen:\n  port: 9000\n", want: []string{"line 1: listen: found a mapping"}},
		"a list as value":       {file: "listen: [':1', ':2']\n", want: []string{"line 1: listen: found a list of 2 values"}},
		"an alias":              {file: "log-format: &f json\nlisten: *f\n", want: []string{"line 2: listen: found an alias"}},
		"a list in a list":      {file: "cors-origin: [[a]]\n", want: []string{"line 1: cors-origin: found a list, want a value"}},
		"no settings":           {file: "listen", want: []string{`proxy.yaml: line 1: found "listen"`}},
		"no YAML":               {file: "{", want: []string{"proxy.yaml", "yaml: "}},
		"two documents":         {file: "listen: :1\n---\nlisten: :2\n", want: []string{"after the first YAML document"}},
		"no truth":              {file: "skip-version-check: maybe", want: []string{"line 1: skip-version-check"}},
		"no address":            {env: map[string]string{"CLOUDSTATE_LISTEN": "9000"}, want: []string{`CLOUDSTATE_LISTEN: "9000" is not an address, want host:port, such as :9000`}},
		"no port":               {env: map[string]string{"HTTP_PORT": "tcp://10.0.0.1:80"}, want: []string{"HTTP_PORT", "is not a number from 0 to 65535"}},
		"a port that is large":  {env: map[string]string{"USER_FUNCTION_HOST": "cart", "USER_FUNCTION_PORT": "65536"}, want: []string{"USER_FUNCTION_HOST and USER_FUNCTION_PORT", `"65536"`}},
		"nothing to connect to": {file: "user-function: :8080", want: []string{"line 1: user-function", "names nothing to connect to"}},
		"a port of 0":           {env: map[string]string{"USER_FUNCTION_PORT": "0"}, want: []string{"USER_FUNCTION_PORT", "names nothing to connect to"}},
		"off where it must be":  {file: "listen: off", want: []string{`line 1: listen: "off" is not an address`}},
		"a time of 0":           {file: "relay-timeout: 0s", want: []string{`"0s" is not a positive duration`}},
		"a size of 0":           {file: "max-message-size: 0", want: []string{`"0" is not a size`}},
		"a size of 2 GiB":       {file: "max-message-size: 2GiB", want: []string{`"2GiB" is not a size`}},
		"a size that overflows": {file: "max-message-size: 99999999999GiB", want: []string{"is not a size"}},
		"a size in kilograms":   {file: "max-message-size: 5kg", want: []string{"is not a size"}},
		"a size without digits": {file: "max-message-size: MiB", want: []string{"is not a size"}},
		"no attempts":           {file: "eventing-attempts: 0", want: []string{`"0" is not a number of attempts, want one from 1 on, or unlimited`}},
		"many attempts":         {file: "eventing-attempts: 1e99", want: []string{"is not a number of attempts"}},
		"a unit twice":          {file: "max-message-size: 1KK", want: []string{"is not a size"}},
		"a negative duration":   {file: "relay-timeout: -5s", want: []string{"is not a positive duration"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := newFlags().apply(t, nil, tt.env, tt.file)
			require.Error(t, err)
			for _, part := range tt.want {
				require.ErrorContains(t, err, part)
			}
		})
	}
}

func TestSources_NeedTheFileThatIsNamed(t *testing.T) {
	t.Parallel()
	sources := settings.Sources{File: filepath.Join(t.TempDir(), "none.yaml"), Env: func(string) (string, bool) { return "", false }}
	require.ErrorContains(t, sources.Apply(newFlags().FlagSet), "none.yaml")
}

func FuzzSources_File(f *testing.F) {
	for _, seed := range []string{"", "listen: :9000", "listen: [a, {b: c}]", "{", "? a\n: b", "&a [*a]", "--- x\n--- y", "listen: !!binary aGk=", "1: 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "fuzz.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_ = settings.Sources{File: path, Env: func(string) (string, bool) { return "", false }}.Apply(newFlags().FlagSet) // must not panic
	})
}
