package e2e

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The sound that one end plays and the other must hear: silence while the media
// settles, a tone, silence.
const (
	soundRate = 8000
	leadIn    = 3 * time.Second
	toneTime  = 3 * time.Second
	toneLevel = -12.0 // dB of full scale, of the sine's effective value
)

// writeTone makes a WAV file of a minute with a tone of so many hertz.
func writeTone(t *testing.T, hertz float64) string {
	t.Helper()
	samples := make([]int16, 60*soundRate)
	peak := 32767 * math.Sqrt2 * math.Pow(10, toneLevel/20)
	from, to := int(leadIn.Seconds()*soundRate), int((leadIn+toneTime).Seconds()*soundRate)
	for i := from; i < to; i++ {
		samples[i] = int16(peak * math.Sin(2*math.Pi*hertz*float64(i)/soundRate))
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

// heard is what a recording holds.
type heard struct {
	length time.Duration // of the part that is not silent
	level  float64       // its effective value in dB of full scale
	purity float64       // share of its energy at the expected frequency
}

// listen reads a 16 bit WAV file, which its writer may not have finished.
func listen(t *testing.T, path string, hertz float64) heard {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	format := bytes.Index(b, []byte("fmt "))
	data := bytes.Index(b, []byte("data"))
	if format < 0 || data < 0 || format+24 > len(b) {
		return heard{}
	}
	tracks := int(binary.LittleEndian.Uint16(b[format+10:]))
	rate := int(binary.LittleEndian.Uint32(b[format+12:]))
	b = b[data+8:]
	samples := make([]float64, len(b)/2/tracks)
	for i := range samples {
		samples[i] = float64(int16(binary.LittleEndian.Uint16(b[2*i*tracks:]))) / 32768
	}
	return analyse(samples, rate, hertz)
}

// analyse looks at 20 ms at a time.
func analyse(samples []float64, rate int, hertz float64) heard {
	const silent = 1e-4 // -40 dB
	frame := rate / 50
	var energy, tone float64
	frames := 0
	for ; len(samples) >= frame; samples = samples[frame:] {
		var sum, in, quadrature float64
		for i, s := range samples[:frame] {
			sum += s * s
			sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / float64(rate))
			in += s * sin
			quadrature += s * cos
		}
		if sum/float64(frame) < silent {
			continue
		}
		frames++
		energy += sum
		tone += 2 * (in*in + quadrature*quadrature) / float64(frame)
	}
	if frames == 0 {
		return heard{level: math.Inf(-1)}
	}
	return heard{
		length: time.Duration(frames) * 20 * time.Millisecond,
		level:  10 * math.Log10(energy/float64(frames*frame)),
		purity: tone / energy,
	}
}

// wantTone compares what was heard with what was played: level within 3 dB,
// duration within half a second (a busy machine makes phones conceal packets
// that come late), and the tone itself.
func wantTone(t *testing.T, who string, h heard) {
	t.Helper()
	if math.Abs(h.level-toneLevel) > 3 || (h.length-toneTime).Abs() > 500*time.Millisecond || h.purity < 0.8 {
		t.Errorf("%s heard %v at %.1f dB, %.0f%% of it the tone; played were %v at %.1f dB", who, h.length, h.level, 100*h.purity, toneTime, toneLevel)
	}
}

func TestAnalyse(t *testing.T) {
	h := listen(t, writeTone(t, 600), 600)
	wantTone(t, "the file itself", h)
	if other := listen(t, writeTone(t, 600), 1000); other.purity > 0.1 {
		t.Errorf("%.0f%% of a tone of 600 Hz are at 1000 Hz", 100*other.purity)
	}
}
