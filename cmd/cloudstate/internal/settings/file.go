package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// A file has the settings of a file, by the name of their flag.
type file struct {
	path     string
	names    []string // in order of the file
	settings map[string]entry
}

type entry struct {
	line  int
	value *yaml.Node
}

// readFile reads a YAML file. It must be one mapping in which no key is there twice.
func readFile(path string) (*file, error) {
	f := &file{path: path, settings: map[string]entry{}}
	if path == "" {
		return f, nil
	}
	opened, err := os.Open(path) //nolint:gosec // the user says which file
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	defer opened.Close() //nolint:errcheck // it was only read
	if err := f.parse(opened); err != nil {
		return nil, fmt.Errorf("settings: %s: %w", path, err)
	}
	return f, nil
}

func (f *file) parse(from io.Reader) error {
	decoder := yaml.NewDecoder(from)
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil // an empty file
		}
		return err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the first YAML document, want one document")
	}
	mapping := document.Content[0]
	if mapping.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: found %s, want settings such as \"listen: :9000\"", mapping.Line, describe(mapping))
	}
	var mistakes []error
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if first, twice := f.settings[key.Value]; twice {
			mistakes = append(mistakes, fmt.Errorf("line %d: %q is set in line %d already; remove one of them", key.Line, key.Value, first.line))
			continue
		}
		f.names = append(f.names, key.Value)
		f.settings[key.Value] = entry{line: key.Line, value: value}
	}
	return errors.Join(mistakes...)
}

// unknown returns an error for each setting without a flag.
func (f *file) unknown(flags *pflag.FlagSet) []error {
	var mistakes []error
	for _, name := range f.names {
		if flags.Lookup(name) == nil || onlyFlags[name] {
			mistakes = append(mistakes, fmt.Errorf("%s, line %d: there is no setting %q, want one of: %s",
				f.path, f.settings[name].line, name, strings.Join(known(flags), ", ")))
		}
	}
	return mistakes
}

// onlyFlags are flags that a file cannot set.
var onlyFlags = map[string]bool{"config": true, "help": true}

func known(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) {
		if !onlyFlags[flag.Name] && !flag.Hidden {
			names = append(names, flag.Name)
		}
	})
	return names
}

// apply sets a flag, if the file has it.
func (f *file) apply(flag *pflag.Flag) error {
	found, ok := f.settings[flag.Name]
	if !ok || onlyFlags[flag.Name] {
		return nil
	}
	values, err := scalars(found.value)
	if err == nil {
		err = assign(flag, values)
	}
	if err != nil {
		return fmt.Errorf("%s, line %d: %s: %w", f.path, found.line, flag.Name, err)
	}
	return nil
}

// scalars returns the text of a value, or of each value of a list.
func scalars(node *yaml.Node) ([]string, error) {
	if node.Kind != yaml.SequenceNode {
		text, err := scalar(node)
		return []string{text}, err
	}
	values := make([]string, 0, len(node.Content))
	for _, element := range node.Content {
		text, err := scalar(element)
		if err != nil {
			return nil, err
		}
		values = append(values, text)
	}
	return values, nil
}

func scalar(node *yaml.Node) (string, error) {
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		return "", fmt.Errorf("found %s, want a value", describe(node))
	}
	return node.Value, nil
}

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a mapping"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Kind == yaml.AliasNode:
		return "an alias"
	case node.Tag == "!!null":
		return "nothing"
	default:
		return fmt.Sprintf("%q", node.Value)
	}
}
