package program

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/cloudstate-go/cloudstate/cmd/cloudstate/internal/settings"
)

// repository is the root of the repository.
var repository = os.DirFS(filepath.Join("..", "..", ".."))

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository, name)
	require.NoError(t, err)
	return string(text)
}

// The fields of Kubernetes objects that the manifest may have. Others are likely to be
// misspelled, and kubectl would ignore them.
type (
	metadata struct {
		Name        string            `yaml:"name"`
		Labels      map[string]string `yaml:"labels"`
		Annotations map[string]string `yaml:"annotations"`
	}
	object struct {
		APIVersion string    `yaml:"apiVersion"`
		Kind       string    `yaml:"kind"`
		Metadata   metadata  `yaml:"metadata"`
		Spec       yaml.Node `yaml:"spec"`
	}
	serviceSpec struct {
		Selector map[string]string `yaml:"selector"`
		Ports    []struct {
			Name       string `yaml:"name"`
			Port       int    `yaml:"port"`
			TargetPort string `yaml:"targetPort"`
		} `yaml:"ports"`
	}
	statefulSetSpec struct {
		ServiceName string `yaml:"serviceName"`
		Replicas    int    `yaml:"replicas"`
		Selector    struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"selector"`
		Template struct {
			Metadata metadata `yaml:"metadata"`
			Spec     podSpec  `yaml:"spec"`
		} `yaml:"template"`
		VolumeClaimTemplates []struct {
			Metadata metadata `yaml:"metadata"`
			Spec     struct {
				AccessModes []string  `yaml:"accessModes"`
				Resources   resources `yaml:"resources"`
			} `yaml:"spec"`
		} `yaml:"volumeClaimTemplates"`
	}
	podSpec struct {
		AutomountServiceAccountToken  bool        `yaml:"automountServiceAccountToken"`
		TerminationGracePeriodSeconds int         `yaml:"terminationGracePeriodSeconds"`
		SecurityContext               podSecurity `yaml:"securityContext"`
		InitContainers                []container `yaml:"initContainers"`
		Containers                    []container `yaml:"containers"`
	}
	podSecurity struct {
		RunAsNonRoot   bool              `yaml:"runAsNonRoot"`
		RunAsUser      int               `yaml:"runAsUser"`
		RunAsGroup     int               `yaml:"runAsGroup"`
		FSGroup        int               `yaml:"fsGroup"`
		SeccompProfile map[string]string `yaml:"seccompProfile"`
	}
	container struct {
		Name            string   `yaml:"name"`
		Image           string   `yaml:"image"`
		ImagePullPolicy string   `yaml:"imagePullPolicy"`
		RestartPolicy   string   `yaml:"restartPolicy"`
		Args            []string `yaml:"args"`
		Env             []struct {
			Name  string `yaml:"name"`
			Value string `yaml:"value"`
		} `yaml:"env"`
		Ports []struct {
			Name          string `yaml:"name"`
			ContainerPort int    `yaml:"containerPort"`
		} `yaml:"ports"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		LivenessProbe  probe `yaml:"livenessProbe"`
		VolumeMounts   []struct {
			Name      string `yaml:"name"`
			MountPath string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
		SecurityContext struct {
			AllowPrivilegeEscalation bool                `yaml:"allowPrivilegeEscalation"`
			ReadOnlyRootFilesystem   bool                `yaml:"readOnlyRootFilesystem"`
			Capabilities             map[string][]string `yaml:"capabilities"`
		} `yaml:"securityContext"`
		Resources resources `yaml:"resources"`
	}
	probe struct {
		HTTPGet struct {
			Path string `yaml:"path"`
			Port string `yaml:"port"`
		} `yaml:"httpGet"`
		PeriodSeconds  int `yaml:"periodSeconds"`
		TimeoutSeconds int `yaml:"timeoutSeconds"`
	}
	resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	}
)

// strictly decodes YAML with all its fields.
func strictly(t *testing.T, node *yaml.Node, into any) {
	t.Helper()
	text, err := yaml.Marshal(node)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into))
}

// manifest returns the objects of deploy/shoppingcart.yaml.
func manifest(t *testing.T) (service serviceSpec, set statefulSetSpec) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(readFile(t, "deploy/shoppingcart.yaml")))
	decoder.KnownFields(true)
	for {
		var o object
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return service, set
		}
		require.NoError(t, err)
		require.NotEmpty(t, o.Metadata.Name)
		switch o.APIVersion + " " + o.Kind {
		case "v1 Service":
			strictly(t, &o.Spec, &service)
		case "apps/v1 StatefulSet":
			strictly(t, &o.Spec, &set)
			require.Equal(t, o.Metadata.Name, set.ServiceName)
		default:
			require.Fail(t, "unknown object", "%s %s", o.APIVersion, o.Kind)
		}
	}
}

func (c container) env() map[string]string {
	env := map[string]string{}
	for _, e := range c.Env {
		env[e.Name] = e.Value
	}
	return env
}

func (c container) port(name string) string {
	for _, p := range c.Ports {
		if p.Name == name {
			return strconv.Itoa(p.ContainerPort)
		}
	}
	return ""
}

// proxyFlags are those of the command.
func proxyFlags(t *testing.T) *pflag.FlagSet {
	t.Helper()
	root := newRoot(Environment{})
	at := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "proxy" })
	return root.Commands()[at].Flags()
}

func TestManifest_FitsTogether(t *testing.T) {
	t.Parallel()
	service, set := manifest(t)
	pod := set.Template.Spec
	require.Equal(t, set.Selector.MatchLabels, set.Template.Metadata.Labels)
	require.Equal(t, service.Selector, set.Template.Metadata.Labels)
	require.Equal(t, 1, set.Replicas, "one proxy at a time may have the file")
	require.True(t, pod.SecurityContext.RunAsNonRoot)
	require.Equal(t, pod.SecurityContext.RunAsUser, pod.SecurityContext.FSGroup, "who may write the volume")
	require.Len(t, pod.InitContainers, 1)
	require.Len(t, pod.Containers, 1)
	userFunction, proxy := pod.InitContainers[0], pod.Containers[0]
	require.Equal(t, "Always", userFunction.RestartPolicy, "a sidecar, not one that has to end")
	require.Equal(t, userFunction.env()["PORT"], proxy.env()["USER_FUNCTION_PORT"])
	for _, c := range []container{userFunction, proxy} {
		require.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
		require.False(t, c.SecurityContext.AllowPrivilegeEscalation)
		require.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities["drop"])
	}
	for _, p := range service.Ports {
		require.NotEmpty(t, proxy.port(p.TargetPort))
	}
	require.Equal(t, "/ready", proxy.ReadinessProbe.HTTPGet.Path)
	require.Equal(t, "/alive", proxy.LivenessProbe.HTTPGet.Path)
	require.Equal(t, "management", proxy.ReadinessProbe.HTTPGet.Port)
	require.Equal(t, "management", proxy.LivenessProbe.HTTPGet.Port)
	require.Equal(t, proxy.port("metrics"), set.Template.Metadata.Annotations["prometheus.io/port"])
	require.Len(t, set.VolumeClaimTemplates, 1)
	require.Len(t, proxy.VolumeMounts, 1)
	require.Equal(t, set.VolumeClaimTemplates[0].Metadata.Name, proxy.VolumeMounts[0].Name)
	require.Equal(t, []string{"proxy"}, proxy.Args)
}

// The variables of the manifest are settings of the proxy, and lead to the ports and the volume
// of the manifest.
func TestManifest_ConfiguresTheProxy(t *testing.T) {
	t.Parallel()
	_, set := manifest(t)
	proxy := set.Template.Spec.Containers[0]
	env := proxy.env()
	flags, known := proxyFlags(t), map[string]bool{}
	flags.VisitAll(func(flag *pflag.Flag) {
		known[settings.Variable(flag.Name)] = true
		if address, ok := flag.Value.(*settings.Address); ok {
			known[address.HostFrom], known[address.PortFrom] = true, true
		}
	})
	for name := range env {
		require.True(t, known[name], "%s is no setting of the proxy", name)
	}
	require.NoError(t, settings.Sources{Env: func(name string) (string, bool) { value, found := env[name]; return value, found }}.Apply(flags))
	for flag, port := range map[string]string{"listen": "clients", "metrics": "metrics", "management": "management"} {
		_, listens, err := net.SplitHostPort(flags.Lookup(flag).Value.String())
		require.NoError(t, err)
		require.Equal(t, proxy.port(port), listens, flag)
	}
	file, isFile := strings.CutPrefix(flags.Lookup("store").Value.String(), sqlitePrefix)
	require.True(t, isFile)
	require.Equal(t, proxy.VolumeMounts[0].MountPath, path.Dir(file))
	grace, ok := flags.Lookup("grace-period").Value.(*settings.Duration)
	require.True(t, ok)
	require.Greater(t, time.Duration(set.Template.Spec.TerminationGracePeriodSeconds)*time.Second, time.Duration(*grace), "or the process is killed before")
}

// What the Containerfile names is there: what it compiles, what it copies, and its targets.
func TestContainerfile_NamesWhatExists(t *testing.T) {
	t.Parallel()
	text := readFile(t, "deploy/Containerfile")
	made := map[string]bool{}
	for _, build := range regexp.MustCompile(`go build .*-o (\S+) (\S+)`).FindAllStringSubmatch(text, -1) {
		main := readFile(t, path.Join(path.Clean(build[2]), "main.go"))
		require.Contains(t, main, "package main")
		made[build[1]] = true
	}
	require.Len(t, made, 2)
	for _, dir := range regexp.MustCompile(`mkdir -p (\S+)`).FindAllStringSubmatch(text, -1) {
		made[dir[1]] = true
	}
	installed := map[string]bool{}
	copies := regexp.MustCompile(`COPY --from=build (?:--\S+ )?(\S+) (\S+)`).FindAllStringSubmatch(text, -1)
	require.Len(t, copies, 3)
	for _, c := range copies {
		require.True(t, made[c[1]], "%s is copied, but not made", c[1])
		installed[c[2]] = true
	}
	for _, entry := range regexp.MustCompile(`ENTRYPOINT \["([^"]+)"`).FindAllStringSubmatch(text, -1) {
		require.True(t, installed[entry[1]], "%s is not installed", entry[1])
	}
	targets := regexp.MustCompile(`(?m)^FROM \S+ AS (\S+)$`).FindAllStringSubmatch(text, -1)
	for _, page := range []string{"deploy/Containerfile", "docs/proxy.md"} {
		named := regexp.MustCompile(`--target (\S+)`).FindAllStringSubmatch(readFile(t, page), -1)
		require.Len(t, named, 2)
		for _, n := range named {
			require.True(t, slices.ContainsFunc(targets, func(target []string) bool { return target[1] == n[1] }), "%s: there is no target %s", page, n[1])
		}
	}
	// Nobody is root.
	require.Equal(t, 2, strings.Count(text, "\nUSER 65532:65532\n"))
	_, set := manifest(t)
	require.Equal(t, 65532, set.Template.Spec.SecurityContext.RunAsUser)
	store := regexp.MustCompile(`CLOUDSTATE_STORE=sqlite:(\S+)`).FindStringSubmatch(text)
	require.NotNil(t, store)
	require.True(t, installed[path.Dir(store[1])], "the directory of the store belongs to the user")
}

// The page about the program has all settings, with their defaults.
func TestPage_NamesEverySetting(t *testing.T) {
	t.Parallel()
	page := readFile(t, "docs/proxy.md")
	proxyFlags(t).VisitAll(func(flag *pflag.Flag) {
		require.Contains(t, page, "`--"+flag.Name+"`")
		value := strings.TrimSuffix(flag.DefValue, "0s") // of 1m0s
		if value != "false" && value != "[]" && value != "" {
			row := regexp.MustCompile("(?m)^.*`--" + flag.Name + "`.*$").FindString(page)
			require.Contains(t, row, value, "the default of --%s", flag.Name)
		}
		if address, ok := flag.Value.(*settings.Address); ok {
			require.Contains(t, page, "`"+address.PortFrom+"`")
		}
	})
}
