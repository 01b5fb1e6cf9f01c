package options

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// applyFiles sets the flags that the configuration file and the files of its .d folder name, in the order of their names.
// As in k3s the command line wins over files, a later file over an earlier one, and a key ending in + adds to lists.
func applyFiles(flags *pflag.FlagSet, main string) error {
	more, err := filepath.Glob(main + ".d/*.y*ml") // sorted
	if err != nil {
		return err
	}
	settings := map[string][]string{}
	for _, file := range append([]string{main}, more...) {
		content, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && !flags.Changed("config") {
			continue
		} else if err != nil {
			return err
		}
		entries := map[string]any{}
		if err := yaml.Unmarshal(content, &entries, useNumber); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for key, value := range entries {
			name, adds := strings.CutSuffix(key, "+")
			if flags.Lookup(name) == nil {
				return fmt.Errorf("%s: unknown k3s option %q\nsupported options: %s", file, key, supported(flags))
			}
			if !adds {
				settings[name] = nil
			}
			items, isList := value.([]any)
			if !isList {
				items = []any{value}
			}
			for _, item := range items {
				settings[name] = append(settings[name], fmt.Sprint(item))
			}
		}
	}
	for name, values := range settings {
		flag := flags.Lookup(name)
		if flag.Changed {
			continue
		}
		if list, ok := flag.Value.(pflag.SliceValue); ok {
			err = list.Replace(values)
		} else {
			err = flag.Value.Set(strings.Join(values, " ")) // several for one value are refused by what it is
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", main, name, err)
		}
	}
	return nil
}

// useNumber keeps numbers as they are written: 6443 must not become 6443.000.
func useNumber(decoder *json.Decoder) *json.Decoder {
	decoder.UseNumber()
	return decoder
}
