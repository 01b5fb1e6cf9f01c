package options

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// applyFiles sets the flags the configuration file and the files of its .d folder name, in the order of their names.
// As in k3s the command line wins over files, a later file over an earlier one, and a key ending in + adds to lists.
func applyFiles(flags *pflag.FlagSet, main string) error {
	onCommandLine := map[string]bool{}
	flags.Visit(func(flag *pflag.Flag) { onCommandLine[flag.Name] = true })
	more, err := filepath.Glob(main + ".d/*.y*ml")
	if err != nil {
		return err
	}
	slices.Sort(more)
	for index, file := range append([]string{main}, more...) {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && (index > 0 || !onCommandLine["config"]) {
			continue
		} else if err != nil {
			return err
		}
		entries := map[string]any{}
		if err := yaml.Unmarshal(content, &entries); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for key, value := range entries {
			name, adds := strings.CutSuffix(key, "+")
			flag := flags.Lookup(name)
			if flag == nil {
				return fmt.Errorf("%s: unknown k3s option %q\nsupported options: %s", file, key, supported(flags))
			}
			if onCommandLine[name] && !adds {
				continue
			}
			if err := set(flag, value, adds); err != nil {
				return fmt.Errorf("%s: %s: %w", file, key, err)
			}
		}
	}
	return nil
}

// set gives a flag its value from a file: a scalar, or a list for repeatable flags.
func set(flag *pflag.Flag, value any, adds bool) error {
	items, isList := value.([]any)
	if !isList {
		items = []any{value}
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		text := fmt.Sprint(item)
		if number, ok := item.(float64); ok { // YAML numbers arrive as floats; 6443 must not become 6443.000
			text = strconv.FormatFloat(number, 'f', -1, 64)
		}
		texts = append(texts, text)
	}
	if list, ok := flag.Value.(pflag.SliceValue); ok {
		flag.Changed = true
		if !adds {
			return list.Replace(texts)
		}
		for _, text := range texts {
			if err := list.Append(text); err != nil {
				return err
			}
		}
		return nil
	}
	if len(texts) != 1 {
		return fmt.Errorf("takes one value, not %d", len(texts))
	}
	return flag.Value.Set(texts[0])
}
