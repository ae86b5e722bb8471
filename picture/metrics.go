package picture

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	uploads *prometheus.CounterVec
	mosaics *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		uploads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_picture_uploads_total", Help: "Uploads of pictures, by what became of them.",
		}, []string{"result"}),
		mosaics: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sparkle_picture_mosaics_total", Help: "Mosaics of groups that were asked for: from the cache, made, or failed.",
		}, []string{"result"}),
	}
	if r != nil {
		r.MustRegister(m.uploads, m.mosaics)
	}
	return m
}
