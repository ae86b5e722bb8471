package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

// TestSamplesNameRealMetrics looks up every metric of the dashboard and of the
// alerts in a running server.
func TestSamplesNameRealMetrics(t *testing.T) {
	d := startDemo(t, t.TempDir())
	if _, err := d.border.SetTrunk(t.Context(), store.Trunk{Name: "carrier", Register: true, Username: "u", Password: "p",
		Gateways: []store.Gateway{{Name: "g", Address: "127.0.0.1:9", Transport: "udp"}}}); err != nil {
		t.Fatal(err)
	}
	families, err := d.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range families {
		known[f.GetName()] = true
		if f.GetHelp() == "" {
			t.Errorf("%s has no help text", f.GetName())
		}
	}
	metric := regexp.MustCompile(`\b(sparkle|process|go)_[a-z0-9_]+`)
	for _, path := range []string{"../../configs/grafana-dashboard.json", "../../configs/prometheus-rules.yml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		names := metric.FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s names %d metrics only", path, len(names))
		}
		for _, name := range names {
			if !known[name] && !known[strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")] {
				t.Errorf("%s names %s, which does not exist", path, name)
			}
		}
	}
}
