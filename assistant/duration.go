package assistant

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	day         = 24 * time.Hour
	maxDuration = 366 * day
)

// unitOf is the length of a unit of time as people write it.
func unitOf(name string) (time.Duration, bool) {
	switch strings.TrimPrefix(name, "个") {
	case "m", "min", "mins", "minute", "minutes", "分", "分钟":
		return time.Minute, true
	case "h", "hour", "hours", "时", "小时", "钟头":
		return time.Hour, true
	case "d", "day", "days", "天", "日":
		return day, true
	case "w", "week", "weeks", "周", "星期", "礼拜":
		return 7 * day, true
	}
	return 0, false
}

// digitOf is the value of a Chinese numeral below eleven; half a unit is 半.
func digitOf(r rune) (float64, bool) {
	switch r {
	case '半':
		return 0.5, true
	case '两':
		return 2, true
	case '十':
		return 10, true
	}
	for i, c := range []rune("一二三四五六七八九") {
		if r == c {
			return float64(i + 1), true
		}
	}
	return 0, false
}

// duration reads a length of time in one word, such as 30m, 1.5h, 2小时, 1d12h,
// 半小时, 一天: a minute at least, 366 days at most.
func duration(text string) (time.Duration, bool) {
	text = strings.ToLower(text)
	var sum time.Duration
	for text != "" {
		n, rest, ok := cutNumber(text)
		if !ok {
			return 0, false
		}
		end := strings.IndexFunc(rest, func(r rune) bool { _, numeral := digitOf(r); return unicode.IsDigit(r) || numeral })
		if end < 0 {
			end = len(rest)
		}
		unit, ok := unitOf(rest[:end])
		if !ok || n*float64(unit) > float64(maxDuration) {
			return 0, false
		}
		sum += time.Duration(n * float64(unit))
		text = rest[end:]
	}
	return sum, time.Minute <= sum && sum <= maxDuration
}

// cutNumber cuts off a number in digits, or one Chinese numeral.
func cutNumber(text string) (n float64, rest string, ok bool) {
	first, size := utf8.DecodeRuneInString(text)
	if n, numeral := digitOf(first); numeral {
		return n, text[size:], true
	}
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseFloat(text[:end], 64)
	return n, text[end:], err == nil
}
