package main

import (
	"crypto/tls"

	"github.com/prometheus/client_golang/prometheus"
)

// certificateExpiry tells when the certificate expires. It reads the file that
// the transport reads again when it changes, so that a renewal shows at once.
func certificateExpiry(certificate, key string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sparkle_certificate_not_after_seconds",
		Help: "When the TLS certificate expires, in Unix time; 0 when its file cannot be read.",
	}, func() float64 {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return 0
		}
		return float64(pair.Leaf.NotAfter.Unix())
	})
}
