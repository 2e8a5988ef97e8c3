package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/metrics"
	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
	"github.com/cloudstate-go/cloudstate/proxy"
)

const proxyHelp = `Proxy runs in front of a user function: it asks it what it serves, accepts the calls of
clients for that, with gRPC, gRPC-Web and JSON over HTTP, keeps the state of the entities in a
store, and delivers events.

The user function may start later than the proxy, and restart at any time. A user function
that serves something else than before needs a new proxy.

Settings

  Every flag can also be set by an environment variable: that of --relay-timeout is
  CLOUDSTATE_RELAY_TIMEOUT. And it can be set in a YAML file, named by --config, by its name:

    user-function: 127.0.0.1:8080
    store: sqlite:/data/cart.db
    relay-timeout: 10s

  A flag counts more than the environment, and that more than the file. The variables that
  the Cloudstate protocol has for this purpose are named in brackets below; they set a part
  of an address.

Health and metrics

  GET /alive at the management address says that the process is alive, and GET /ready that
  clients are served; each answers 200, or 503 if that is not so. GET /metrics at the metrics
  address is for Prometheus; "?name[]=" selects some of them.

Stop

  On SIGTERM or SIGINT, new calls are refused, those that run get the grace period to finish,
  and the program exits with 0. A second signal ends it at once; nothing that was acknowledged
  gets lost by that. It exits with 1 if it fails, such as when the user function breaks a rule
  of the protocol, and with 2 if a setting is wrong.`

const proxyExamples = `  # for a user function at 127.0.0.1:8080 and clients at port 9000, with the state in a file
  cloudstate proxy --store sqlite:cart.db

  # to try things out, with everything in memory
  cloudstate proxy --store memory

  # as a sidecar: configured by the environment, with logs for machines
  USER_FUNCTION_PORT=8080 HTTP_PORT=8013 CLOUDSTATE_LOG_FORMAT=json cloudstate proxy

  # several proxies on one machine
  cloudstate proxy --user-function 127.0.0.1:8081 --store sqlite:other.db --listen :9001 --metrics off --management off`

// A proxyCommand is one run of the proxy.
type proxyCommand struct {
	env Environment

	config                                    string
	userFunction, listen, metrics, management *settings.Address
	store                                     storeURL
	passivation, relay, grace                 settings.Duration
	maxMessageSize, streamBuffer              settings.Size
	skipVersionCheck, entityMetadata          bool
	httpRead, httpWrite                       settings.Duration
	corsOrigins                               []string
	minBackoff, maxBackoff                    settings.Duration
	attempts                                  settings.Attempts
	acceptFailures                            bool
	logFormat, logLevel                       settings.Choice
}

func newProxy(env Environment) *cobra.Command {
	p := &proxyCommand{
		env:            env,
		userFunction:   (&settings.Address{HostFrom: "USER_FUNCTION_HOST", PortFrom: "USER_FUNCTION_PORT", Remote: true}).Is("127.0.0.1:8080"),
		listen:         (&settings.Address{PortFrom: "HTTP_PORT"}).Is(":9000"),
		metrics:        (&settings.Address{HostFrom: "METRICS_HOST", PortFrom: "METRICS_PORT", Optional: true}).Is(":9090"),
		management:     (&settings.Address{PortFrom: "MANAGEMENT_PORT", Optional: true}).Is(":8558"),
		store:          defaultStore,
		passivation:    settings.Duration(30 * time.Second),
		relay:          settings.Duration(time.Minute),
		grace:          settings.Duration(10 * time.Second),
		maxMessageSize: 12 << 20,
		streamBuffer:   12 << 20,
		httpRead:       settings.Duration(time.Minute),
		httpWrite:      settings.Duration(30 * time.Second),
		minBackoff:     settings.Duration(3 * time.Second),
		maxBackoff:     settings.Duration(30 * time.Second),
		attempts:       10,
		logFormat:      settings.Choice{Of: []string{"text", "json"}},
		logLevel:       settings.Choice{Of: []string{"info", "debug", "warn", "error"}},
	}
	command := &cobra.Command{
		Use:     "proxy",
		Short:   "Run the proxy of a user function",
		Long:    proxyHelp,
		Example: proxyExamples,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			config := p.config
			if config == "" {
				config, _ = env.Env(settings.Variable("config"))
			}
			if err := (settings.Sources{Env: env.Env, File: config}).Apply(command.Flags()); err != nil {
				return err
			}
			return failed(p.run(command.Context()))
		},
	}
	command.Flags().SortFlags = false
	p.bind(command.Flags())
	return command
}

// management returns what answers at the management address.
func management(ctx context.Context, of *proxy.Proxy) http.Handler {
	mux := http.NewServeMux()
	addHealth(ctx, mux, of)
	addDeadLetters(mux, of)
	return http.NewCrossOriginProtection().Handler(mux)
}

// bind makes a flag of each setting.
func (p *proxyCommand) bind(flags *pflag.FlagSet) {
	flags.Var(p.userFunction, "user-function", "where the user function is [USER_FUNCTION_HOST, USER_FUNCTION_PORT]")
	flags.Var(p.listen, "listen", "where clients find the proxy [HTTP_PORT]")
	flags.Var(&p.store, "store", "where events and states are kept: sqlite:FILE, or memory")
	flags.Var(p.metrics, "metrics", `where GET /metrics is answered, or "off" [METRICS_HOST, METRICS_PORT]`)
	flags.Var(p.management, "management", `where GET /ready and /alive are answered, and "cloudstate dead-letters", or "off" [MANAGEMENT_PORT]`)
	flags.Var(&p.passivation, "passivation-timeout", "when an idle entity leaves memory, if its service does not say")
	flags.Var(&p.relay, "relay-timeout", "how long a client waits for an entity")
	flags.Var(&p.grace, "grace-period", "how long calls may take to finish when the proxy stops")
	flags.Var(&p.maxMessageSize, "max-message-size", "limit of the messages of clients and of the user function")
	flags.Var(&p.streamBuffer, "stream-buffer", "limit of what waits for a client that is slow to read a stream of a CRDT entity")
	flags.BoolVar(&p.entityMetadata, "entity-metadata", false, "pass the headers of calls on to entities, as metadata")
	flags.BoolVar(&p.skipVersionCheck, "skip-version-check", false, "accept user functions of any protocol version")
	flags.Var(&p.httpRead, "http-read-timeout", "how long an HTTP client may take to send a request")
	flags.Var(&p.httpWrite, "http-write-timeout", "how long an HTTP client may take to accept a piece of a response")
	flags.StringSliceVar(&p.corsOrigins, "cors-origin", nil, `web origins whose pages may call the proxy, such as https://shop.example.com, or "*"`)
	flags.Var(&p.minBackoff, "eventing-min-backoff", "how long to wait before an event is delivered again; the pause doubles each time")
	flags.Var(&p.maxBackoff, "eventing-max-backoff", "the longest such pause")
	flags.Var(&p.attempts, "eventing-attempts", `how often an event is delivered before it becomes a dead letter, or "unlimited"`)
	flags.BoolVar(&p.acceptFailures, "eventing-accept-failures", false, "take an event for handled when its method answers with a failure")
	flags.Var(&p.logFormat, "log-format", "format of the log, which goes to standard error")
	flags.Var(&p.logLevel, "log-level", "least important records in the log")
	flags.StringVar(&p.config, "config", "", "file with settings")
}

// logger returns the log, in the chosen format.
func (p *proxyCommand) logger() *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(p.logLevel.String())) // one of the levels
	options := &slog.HandlerOptions{Level: level}
	if p.logFormat.String() == "json" {
		return slog.New(slog.NewJSONHandler(p.env.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(p.env.Stderr, options))
}

// run runs the proxy until the context ends. What goes wrong is logged.
func (p *proxyCommand) run(ctx context.Context) error {
	logger := p.logger()
	logger.LogAttrs(ctx, slog.LevelInfo, "proxy starts", slog.String("version", version(debug.ReadBuildInfo())),
		slog.String("user_function", p.userFunction.String()), slog.String("store", p.store.String()))
	err := p.serve(ctx, logger)
	if err != nil {
		logger.LogAttrs(ctx, slog.LevelError, "proxy failed", slog.Any("error", err))
		return fmt.Errorf("%w: %w", errLogged, err)
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "proxy has stopped")
	return nil
}

// serve opens everything, serves, and closes everything in reverse order.
func (p *proxyCommand) serve(ctx context.Context, logger *slog.Logger) (err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	opened, closeStore, err := p.store.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeStore()) }()

	clients, err := listen(ctx, "clients", "listen", p.listen)
	if err != nil {
		return err
	}
	observed := metrics.New()
	served := &proxy.Proxy{
		UserFunction:       proxy.Dial(p.userFunction.String()),
		Journal:            opened,
		Values:             opened,
		Replicas:           opened,
		Descriptors:        opened,
		Logger:             logger,
		PassivationTimeout: time.Duration(p.passivation),
		RelayTimeout:       time.Duration(p.relay),
		GracePeriod:        time.Duration(p.grace),
		MaxMessageSize:     int(p.maxMessageSize),
		StreamBuffer:       int(p.streamBuffer),
		HTTP:               proxy.HTTP{Origins: p.corsOrigins, ReadTimeout: time.Duration(p.httpRead), WriteTimeout: time.Duration(p.httpWrite)},
		Eventing: proxy.Eventing{
			MinBackoff: time.Duration(p.minBackoff), MaxBackoff: time.Duration(p.maxBackoff),
			MaxAttempts: int(p.attempts), AcceptFailures: p.acceptFailures,
		},
		SkipVersionCheck: p.skipVersionCheck,
		EntityMetadata:   p.entityMetadata,
		Observe:          observed.Observe,
		OnFault:          observed.Fault,
	}
	var sites sites
	err = errors.Join(
		sites.open(ctx, "management", p.management, management(ctx, served)),
		sites.open(ctx, "metrics", p.metrics, observed.Handler()),
	)
	if err != nil {
		return errors.Join(err, clients.Close(), sites.close())
	}
	sites.serve(ctx, logger, stop)
	defer func() { err = errors.Join(err, sites.close()) }()

	err = served.Serve(ctx, clients)
	return err
}
