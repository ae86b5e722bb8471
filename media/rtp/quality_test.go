package rtp

import (
	"math"
	"testing"
	"time"
)

// Impairment by random loss as ITU-T G.113 publishes it from listening tests,
// which the formula follows within two points.
func TestLossImpairment(t *testing.T) {
	published := map[string]map[float64]float64{
		"PCMU/8000": {0: 0, 1: 5, 2: 7, 3: 10, 5: 15, 7: 20, 10: 25},
		"G729/8000": {0: 11, 1: 15, 2: 19, 3: 23, 4: 26, 8: 36},
		"G723/8000": {0: 15, 1: 19, 2: 24, 3: 27, 4: 32, 8: 41},
	}
	for codec, table := range published {
		for percent, want := range table {
			got := bestR - Judge(codec, percent/100, 0, 0).R
			if math.Abs(got-want) > 2.1 {
				t.Errorf("%s with %v %% loss: %.1f, published %v", codec, percent, got, want)
			}
		}
	}
}

// ITU-T G.107 Annex B, table B.1, and G.109: what users say to an R.
func TestMeanOpinion(t *testing.T) {
	for r, want := range map[float64]float64{-5: 1, 0: 1, 50: 2.58, 60: 3.10, 70: 3.60, 80: 4.03, 90: 4.34, 93.2: 4.41, 100: 4.5} {
		if got := meanOpinion(r); math.Abs(got-want) > 0.01 {
			t.Errorf("R %v: MOS %.3f, want %.2f", r, got, want)
		}
	}
}

// ITU-T G.107 §7.4, without echo.
func TestDelayImpairment(t *testing.T) {
	for oneWay, want := range map[time.Duration]float64{
		0: 0, 100 * time.Millisecond: 0, 200 * time.Millisecond: 3.0, 400 * time.Millisecond: 24.1,
	} {
		if got := delayImpairment(oneWay); math.Abs(got-want) > 0.05 {
			t.Errorf("%v: %.2f, want %.1f", oneWay, got, want)
		}
	}
}

// Quality only falls with loss, delay and jitter, and stays on its scale.
func TestQualityFalls(t *testing.T) {
	for _, codec := range []string{"PCMA", "opus/48000/2", "G722/8000", "speex/16000", "iLBC", "GSM", "G729", "unheard-of", ""} {
		last := Quality{101, 5}
		for step := range 60 {
			d := time.Duration(step) * 20 * time.Millisecond
			q := Judge(codec, float64(step)/50, d, d/10)
			if q.MOS > last.MOS || q.R > last.R || q.MOS < 1 || q.MOS > 4.5 || math.IsNaN(q.MOS) {
				t.Fatalf("%s step %d: %+v after %+v", codec, step, q, last)
			}
			last = q
		}
		if last.MOS > 1.2 {
			t.Errorf("%s: everything is lost, and MOS is %.2f", codec, last.MOS)
		}
	}
	if q := Judge("opus/48000/2", 0, 60*time.Millisecond, 3*time.Millisecond); q.MOS < 4.4 {
		t.Errorf("a good call is %.2f", q.MOS)
	}
}
