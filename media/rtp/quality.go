package rtp

import (
	"math"
	"strings"
	"time"
)

// Quality of speech.
type Quality struct {
	R   float64 // transmission rating, 0 to 93.2
	MOS float64 // 1 to 4.5
}

const (
	// bestR is R with the default values of ITU-T G.107 §7.7 and no delay, loss or codec.
	bestR = 93.2
	// framing is what capture, coding and playing take at least: two packets of 20 ms.
	framing = 40 * time.Millisecond
	// jitterFactor is how many times the mean deviation a jitter buffer holds.
	jitterFactor = 2
)

// impairment is what a codec costs (ITU-T G.113 Appendix I).
type impairment struct {
	ie  float64 // without loss
	bpl float64 // robustness against random loss
}

// impairments by the name in SDP: those of the ITU for G.711 (with concealment
// of loss, as every softphone has it), G.729, G.723.1 and GSM. For the others it
// has none on this scale; they are estimates.
func impairments(codec string) impairment {
	switch name, _, _ := strings.Cut(codec, "/"); strings.ToLower(name) {
	case "g729":
		return impairment{11, 19.0}
	case "g723":
		return impairment{15, 16.1}
	case "gsm":
		return impairment{20, 43.0}
	case "gsm-efr":
		return impairment{5, 10.0}
	case "ilbc":
		return impairment{10, 32.0}
	case "speex":
		return impairment{8, 20.0}
	case "opus": // its loss concealment and in-band FEC
		return impairment{0, 30.0}
	case "g722":
		return impairment{0, 17.0}
	default:
		return impairment{0, 25.1}
	}
}

// Judge estimates the quality of speech in one direction by the E-model (ITU-T
// G.107). codec is as in SDP ("opus/48000", "PCMU"…), in any case; loss is 0 to
// 1 and taken as random; roundTrip 0 is unknown. Echo counts as cancelled, and a
// wideband codec as a narrowband one: the scale is that of telephony.
func Judge(codec string, loss float64, roundTrip, jitter time.Duration) Quality {
	delay := roundTrip/2 + jitterFactor*jitter + framing
	r := bestR - delayImpairment(delay) - lossImpairment(impairments(codec), loss)
	r = max(0, r)
	return Quality{R: r, MOS: meanOpinion(r)}
}

// delayImpairment is Idd (ITU-T G.107 §7.4): none below 100 ms one way.
func delayImpairment(oneWay time.Duration) float64 {
	ms := float64(oneWay) / float64(time.Millisecond)
	if ms <= 100 {
		return 0
	}
	x := math.Log2(ms / 100)
	return 25 * (math.Pow(1+math.Pow(x, 6), 1.0/6) - 3*math.Pow(1+math.Pow(x/3, 6), 1.0/6) + 2)
}

// lossImpairment is Ie-eff (ITU-T G.107 §7.5) with a burst ratio of 1.
func lossImpairment(i impairment, loss float64) float64 {
	percent := 100 * max(0, min(loss, 1))
	return i.ie + (95-i.ie)*percent/(percent+i.bpl)
}

// meanOpinion is MOS of R (ITU-T G.107 Annex B).
func meanOpinion(r float64) float64 {
	if r <= 0 {
		return 1
	}
	return max(1, min(1+0.035*r+r*(r-60)*(100-r)*7e-6, 4.5))
}
