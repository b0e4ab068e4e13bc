package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a flag for a length of time, in the format of time.ParseDuration with
// optional days in front: 7d, 1d12h. It implements pflag.Value.
type Duration time.Duration

// maxDurationDays is far below the overflow of time.Duration's nanoseconds.
const maxDurationDays = 36500

// Set reads a value.
func (d *Duration) Set(text string) error {
	rest, days := text, 0
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.Atoi(before)
		if err != nil || n < 0 || n > maxDurationDays {
			return fmt.Errorf("%q: want a duration such as 90s, 15m, 6h or 7d", text)
		}
		rest, days = after, n
	}
	var length time.Duration
	if rest != "" || days == 0 && rest == text {
		var err error
		if length, err = time.ParseDuration(rest); err != nil {
			return fmt.Errorf("%q: want a duration such as 90s, 15m, 6h or 7d", text)
		}
	}
	whole := time.Duration(days) * 24 * time.Hour
	if length > math.MaxInt64-whole || days > 0 && length < 0 {
		return fmt.Errorf("%q: want a duration such as 90s, 15m, 6h or 7d", text)
	}
	*d = Duration(whole + length)
	return nil
}

func (d *Duration) String() string { return time.Duration(*d).String() }

// Type implements pflag.Value.
func (d *Duration) Type() string { return "duration" }
