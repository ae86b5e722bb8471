package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// The sound that one end plays and the other must hear: silence while the media
// settles, then a tone and silence again and again.
const (
	soundRate  = 8000
	soundTime  = 3 * time.Minute // at its end a baresip hangs up
	tonesTime  = time.Minute     // the tones are at the beginning
	leadIn     = 3 * time.Second
	toneTime   = 3 * time.Second
	toneRepeat = 5 * time.Second
	toneLevel  = -12.0 // dB of full scale, of the sine's effective value
)

// writeTone makes a WAV file with tones of so many hertz.
func writeTone(t *testing.T, hertz float64) string {
	t.Helper()
	samples := make([]int16, samplesIn(soundTime))
	peak := 32767 * math.Sqrt2 * math.Pow(10, toneLevel/20)
	for from := leadIn; from+toneRepeat <= tonesTime; from += toneRepeat {
		for i := samplesIn(from); i < samplesIn(from+toneTime); i++ {
			samples[i] = int16(peak * math.Sin(2*math.Pi*hertz*float64(i)/soundRate))
		}
	}
	var b bytes.Buffer
	b.WriteString("RIFF")
	binary.Write(&b, binary.LittleEndian, uint32(36+2*len(samples)))
	b.WriteString("WAVEfmt ")
	binary.Write(&b, binary.LittleEndian, struct {
		Size           uint32
		Format, Tracks uint16
		Rate, Bytes    uint32
		Align, Bits    uint16
	}{16, 1, 1, soundRate, 2 * soundRate, 2, 16})
	b.WriteString("data")
	binary.Write(&b, binary.LittleEndian, uint32(2*len(samples)))
	binary.Write(&b, binary.LittleEndian, samples)
	path := filepath.Join(t.TempDir(), "tone.wav")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func samplesIn(d time.Duration) int { return int(d.Seconds() * soundRate) }

// burst is a part of a recording between two silences.
type burst struct {
	length time.Duration // without what is silent in it
	level  float64       // its effective value in dB of full scale
	purity float64       // share of its energy at the expected frequency
	over   bool          // a silence follows
}

func (b burst) String() string {
	return fmt.Sprintf("%v at %.1f dB, %.0f%% of it the tone", b.length, b.level, 100*b.purity)
}

// isTone compares it with what was played: level within 3 dB, duration within half
// a second, and the tone itself.
func (b burst) isTone() bool {
	return b.over && math.Abs(b.level-toneLevel) <= 3 && (b.length-toneTime).Abs() <= 500*time.Millisecond && b.purity >= 0.8
}

// listen reads a 16 bit WAV file, which its writer may not have finished, or begun.
// While a call goes on, the header of a Linphone's is empty or tells of its stream
// before: then the rate is that at which the tone is there.
func listen(path string, hertz float64) []burst {
	const header = 44 // as everybody here writes it
	b, err := os.ReadFile(path)
	if err != nil || len(b) < header {
		return nil
	}
	tracks, rate := int(binary.LittleEndian.Uint16(b[22:])), int(binary.LittleEndian.Uint32(b[24:]))
	for _, rate := range []int{rate, 8000, 16000, 48000} {
		if bursts := analyse(b[header:], max(1, tracks), rate, hertz); slices.ContainsFunc(bursts, burst.isTone) {
			return bursts
		}
	}
	return analyse(b[header:], max(1, tracks), max(soundRate, rate), hertz)
}

// analyse looks at 20 ms at a time. What is silent for a second ends a burst; for
// less, something was lost in it. Of several tracks it takes the first.
func analyse(data []byte, tracks, rate int, hertz float64) (bursts []burst) {
	const silent = 1e-4 // -40 dB
	const frameTime, pause = 20 * time.Millisecond, time.Second
	frame := make([]float64, rate/int(time.Second/frameTime))
	if len(frame) == 0 {
		return nil
	}
	var frames, quiet int
	var energy, tone float64
	end := func(over bool) {
		if frames > 0 {
			level := 10 * math.Log10(energy/float64(frames*len(frame)))
			bursts = append(bursts, burst{time.Duration(frames) * frameTime, level, tone / energy, over})
		}
		frames, energy, tone = 0, 0, 0
	}
	for size := 2 * tracks * len(frame); len(data) >= size; data = data[size:] {
		sum := 0.0
		for i := range frame {
			frame[i] = float64(int16(binary.LittleEndian.Uint16(data[2*tracks*i:]))) / 32768
			sum += frame[i] * frame[i]
		}
		if sum/float64(len(frame)) < silent {
			if quiet++; time.Duration(quiet)*frameTime == pause {
				end(true)
			}
			continue
		}
		quiet = 0
		frames++
		energy += sum
		tone += energyAt(hertz, frame, rate)
	}
	end(false)
	return bursts
}

// energyAt is how much of the energy of a frame is at a frequency.
func energyAt(hertz float64, frame []float64, rate int) float64 {
	var in, quadrature float64
	for i, s := range frame {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / float64(rate))
		in += s * sin
		quadrature += s * cos
	}
	return 2 * (in*in + quadrature*quadrature) / float64(len(frame))
}

// wantTone waits until a phone that is in a call has heard the tone as it was
// played. Phones on a busy machine send late and then invent what did not come in
// time: a tone that was spoilt so is played again.
func wantTone(t *testing.T, p talker, hertz float64) {
	t.Helper()
	var bursts []burst
	for deadline := time.Now().Add(tonesTime); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		bursts = listen(p.Heard(), hertz)
		if slices.ContainsFunc(bursts, burst.isTone) {
			return
		}
	}
	t.Errorf("%s heard %v; played were tones of %v at %.1f dB", p.User(), bursts, toneTime, toneLevel)
}

func TestAnalyse(t *testing.T) {
	path := writeTone(t, 600)
	bursts := listen(path, 600)
	if len(bursts) != 11 || slices.ContainsFunc(bursts, func(b burst) bool { return !b.isTone() }) {
		t.Errorf("in the file itself are %v", bursts)
	}
	for _, b := range listen(path, 1000) {
		if b.purity > 0.1 {
			t.Errorf("of a tone of 600 Hz at 1000 Hz: %v", b)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, cut := range map[string]struct {
		samples int
		bursts  int
	}{"in the header": {-10, 0}, "after it": {0, 0}, "in the silence": {samplesIn(leadIn), 0}, "in the tone": {samplesIn(leadIn + 2*time.Second), 1}, "right after it": {samplesIn(leadIn + toneTime), 1}} {
		if err := os.WriteFile(path, b[:44+2*cut.samples], 0o600); err != nil {
			t.Fatal(err)
		}
		if got := listen(path, 600); len(got) != cut.bursts || slices.ContainsFunc(got, burst.isTone) {
			t.Errorf("cut off %s: %v", name, got)
		}
	}
	if err := os.WriteFile(path, append(make([]byte, 44), b[44:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := listen(path, 600); len(got) != 11 || !got[0].isTone() {
		t.Errorf("without the header: %v", got)
	}
}
