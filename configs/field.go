package configs

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// field is one key of the configuration: its full name, its text and where its
// value lives.
type field struct {
	table string // "" for the top level
	key   string
	doc   string
	value reflect.Value
}

// name is the key as it is written in error lines: listen.tls.
func (f field) name() string {
	if f.table == "" {
		return f.key
	}
	return f.table + "." + f.key
}

// fields lists the keys of c in the order of their declaration.
func fields(c *Config) []field {
	return structFields("", reflect.ValueOf(c).Elem())
}

func structFields(table string, v reflect.Value) []field {
	var fs []field
	for i := range v.NumField() {
		declared := v.Type().Field(i)
		key := declared.Tag.Get("toml")
		switch {
		case key == "":
			continue
		case declared.Type.Kind() == reflect.Struct:
			fs = append(fs, structFields(key, v.Field(i))...)
		default:
			fs = append(fs, field{table, key, declared.Tag.Get("doc"), v.Field(i)})
		}
	}
	return fs
}

// text writes the value as TOML.
func (f field) text() string {
	switch v := f.value.Interface().(type) {
	case string:
		return strconv.Quote(v)
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case time.Duration:
		return strconv.Quote(shortDuration(v))
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// wants says what kind of value the key takes, with an example.
func (f field) wants() string {
	switch f.value.Interface().(type) {
	case string:
		return `a text in quotes, such as ` + f.key + ` = "…"`
	case []string:
		return `a list of texts, such as ` + f.key + ` = ["…"]`
	case time.Duration:
		return `a time with its unit, such as ` + f.key + ` = "90s" or "5m"`
	case int:
		return "a whole number, such as " + f.key + " = 20"
	default:
		return "true or false"
	}
}

// accepts tells whether a decoded TOML value fits the key.
func (f field) accepts(v any) bool {
	switch f.value.Interface().(type) {
	case string:
		_, ok := v.(string)
		return ok
	case []string:
		return isTextList(v)
	case time.Duration:
		s, ok := v.(string)
		if !ok {
			return false
		}
		_, err := time.ParseDuration(s)
		return err == nil
	case int:
		_, ok := v.(int64)
		return ok
	default:
		_, ok := v.(bool)
		return ok
	}
}

func isTextList(v any) bool {
	list, ok := v.([]any)
	if !ok {
		return false
	}
	for _, item := range list {
		if _, ok := item.(string); !ok {
			return false
		}
	}
	return true
}

// shortDuration writes 5m0s as 5m and 2h0m0s as 2h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
