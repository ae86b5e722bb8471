package trunk

import (
	"strings"
	"testing"

	"github.com/sparkleim/sparkle/store"
)

func TestDialled(t *testing.T) {
	beijing := plan{home()}
	berlin := newPlan(store.NumberPlan{Country: "49", Area: "30", Emergency: []string{"110", "112"}}) // the usual prefixes
	denver := newPlan(store.NumberPlan{Country: "1", National: "1", International: "011", Emergency: []string{"911"}})
	madrid := newPlan(store.NumberPlan{Country: "34", National: "none"})
	nowhere := plan{}
	for _, c := range []struct {
		plan plan
		text string
		want string // "" none, "!110" an emergency number
	}{
		{beijing, "+8610555 1234", "+86105551234"},
		{beijing, "tel:+86-10-5551234", "+86105551234"},
		{beijing, "sip:+86105551234@example.com;user=phone", "+86105551234"},
		{beijing, "sip:%2B86105551234@example.com", "+86105551234"},
		{beijing, "sip:+86(10)555.1234@example.com", "+86105551234"},
		{beijing, "0086105551234", "+86105551234"},
		{beijing, "0105551234", "+86105551234"},
		{beijing, "66661234", "+861066661234"},
		{beijing, "13912345678", "+8613912345678"},
		{beijing, "013912345678", "+8613912345678"},
		{beijing, "00498912345", "+498912345"},
		{beijing, "tel:66661234;phone-context=+8621", "+862166661234"},
		{beijing, "tel:66661234;phone-context=example.com", "+861066661234"},
		{beijing, "tel:+498912345;isub=1234;ext=99", "+498912345"},
		{beijing, "sip:+498912345;isub=1234@example.com;user=phone", "+498912345"},
		{berlin, "12345678", "+493012345678"},
		{berlin, "08912345", "+498912345"},
		{denver, "13035550100", "+13035550100"},
		{denver, "3035550100", "+13035550100"},
		{denver, "011498912345", "+498912345"},
		{madrid, "911234567", "+34911234567"},
		{nowhere, "+498912345", "+498912345"},
		{nowhere, "08912345", ""},

		{beijing, "110", "!110"},
		{beijing, "tel:110", "!110"},
		{beijing, "sip:1-1-0@example.com", "!110"},
		{beijing, "sip:%31%31%30@example.com", "!110"},
		{berlin, "112", "!112"},
		{denver, "911", "!911"},
		{madrid, "110", ""}, // not one of its numbers, and too short

		// Toll-fraud tricks: another number to us than to a later hop.
		{beijing, "+0019005550123", ""},
		{beijing, "tel:+0019005550123", ""},
		{beijing, "sip:%252B19005550123@example.com", ""},
		{beijing, "sip:+4989%3Bphone-context=+1900@example.com", ""},
		{beijing, "sip:12%0a34@example.com", ""},
		{beijing, "+4989+1900", ""},
		{beijing, "++4989123", ""},
		{beijing, "+49 89 123p4", ""},
		{beijing, "+4989123,,456", ""},
		{beijing, "*21*0019005550123#", ""},
		{beijing, "+*4989123", ""},
		{beijing, "+٤٩٨٩١٢٣٤", ""},
		{beijing, "+4989123\x00", ""},
		{beijing, "alice", ""},
		{beijing, "mailto:+498912345", ""},
		{beijing, "sip:example.com", ""},
		{beijing, "tel:+", ""},
		{beijing, "tel:;phone-context=+1900", ""},
		{beijing, "tel:+49;phone-context=+1900", ""},
		{beijing, "+1234567890123456", ""}, // 16 digits
		{beijing, "+1234", ""},
		{beijing, strings.Repeat("9", 100), ""},
		{beijing, "", ""},
		{beijing, "%", ""},
		{beijing, "%zz", ""},
	} {
		got, emergency, err := c.plan.dialled(c.text)
		switch {
		case err != nil:
			got = ""
		case emergency:
			got = "!" + got
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

func TestReceived(t *testing.T) {
	p := home()
	for _, c := range []struct{ in, text, want string }{
		{"", "+498912345", "+498912345"},
		{"", "00498912345", "+498912345"},
		{"", "0105551234", "+86105551234"},
		{"e164", "86105551234", "+86105551234"},
		{"e164", "0086105551234", "+86105551234"},
		{"e164", "+86105551234", "+86105551234"},
		{"national", "105551234", "+86105551234"},
		{"national", "0105551234", "+86105551234"},
		{"e164", "anonymous", ""},
	} {
		p.In = c.in
		if got, _ := (plan{p}).received("sip:" + c.text + "@c"); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.in, c.text, got, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
	p := plan{home()}
	for _, c := range []struct{ number, format, want string }{
		{"+86105551234", "", "+86105551234"},
		{"+86105551234", "+e164", "+86105551234"},
		{"+86105551234", "e164", "86105551234"},
		{"+86105551234", "international", "0086105551234"},
		{"+86105551234", "national", "0105551234"},
		{"+498912345", "national", "00498912345"},
		{"110", "international", "110"},
	} {
		if got := p.write(c.number, c.format); got != c.want {
			t.Errorf("%s as %s: %s, want %s", c.number, c.format, got, c.want)
		}
	}
	p.Out, p.From, p.Asserted = "national", "e164", ""
	if got := p.out("+8610555") + " " + p.from("+8610555") + " " + p.asserted("+8610555") + " " + p.diversion("+8610555"); got != "010555 8610555 010555 010555" {
		t.Error(got)
	}
}

func TestInwardNumbers(t *testing.T) {
	p := plan{store.NumberPlan{Country: "86", Inward: []store.Inward{
		{Number: "+8610555*", To: "*"}, {Number: "+86105556*", To: "6*"}, {Number: "+86105550000", To: "desk"}, {Number: "+8621*", To: "shanghai"},
	}}}
	for number, want := range map[string]string{
		"+86105551234": "1234", "+86105556123": "6123", "+86105550000": "desk", "+862155": "shanghai", "+4930": "",
	} {
		if got := p.target(number); got != want {
			t.Errorf("%s leads to %q, want %q", number, got, want)
		}
	}
	for own, want := range map[string]string{
		"1234": "+86105551234", "+86105551234": "+86105551234", "desk": "+86105550000", "6123": "+86105556123", "+4930123": "", "alice": "", "": "",
	} {
		if got := p.ours(own); got != want {
			t.Errorf("%s is %q outside, want %q", own, got, want)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for _, c := range []struct {
		allow, deny string
		number      string
		want        bool
	}{
		{"", "", "+4989", true},
		{"+86", "", "+8610", true},
		{"+86", "", "+4989", false},
		{"", "+1900", "+19005550123", false},
		{"", "+1900", "+13035550100", true},
		{"+86 +4989", "+49", "+498912", true},
		{"+86 +4989", "+49", "+493012", false},
		{"+49", "+49", "+498912", false},
		{"", "+", "+498912", false},
		{"+49", "+", "+498912", true},
	} {
		p := prefixes{strings.Fields(c.allow), strings.Fields(c.deny)}
		if got := p.allows(c.number); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// Whatever is dialled, nothing but a clean number comes out, and reading it again
// gives the same.
func FuzzDialled(f *testing.F) {
	for _, s := range []string{"+498912345", "tel:+49-89;phone-context=+1", "sip:%2B49@x;user=phone", "110", "00 49", "*21#", "sip:1%3b@x"} {
		f.Add(s, uint8(0))
	}
	f.Fuzz(func(t *testing.T, text string, format uint8) {
		p := plan{home()}
		n, emergency, err := p.dialled(text)
		if err != nil {
			return
		}
		if emergency {
			if n != "110" && n != "119" {
				t.Fatalf("%q became the emergency number %q", text, n)
			}
		} else if n[0] != '+' || !onlyDigits(n[1:]) || n[1] == '0' || len(n) > 16 {
			t.Fatalf("%q became %q", text, n)
		}
		formats := []string{"", formatBare, formatInternational, formatNational}
		out := p.write(n, formats[int(format)%len(formats)])
		for i := range len(out) {
			if c := out[i]; (c < '0' || c > '9') && (c != '+' || i > 0) {
				t.Fatalf("%q leaves us as %q", text, out)
			}
		}
		if again, _, err := p.dialled(n); err != nil || again != n {
			t.Fatalf("%q became %q, and that %q (%v)", text, n, again, err)
		}
	})
}
