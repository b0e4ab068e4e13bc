package ui

import (
	"strconv"
	"strings"
)

// Cell returns a text value for a CSV file: on one line, with hidden characters shown,
// and never the start of a formula. Spreadsheets read a cell as a formula if it begins
// with =, +, - or @, also after spaces and quotes, or with a tab or a carriage return.
// Such a text gets an apostrophe in front; a number stays a number.
func Cell(s string) string {
	begin := strings.TrimLeft(s, " \u00a0\u3000\t\r\n\v\f\"'")
	if begin == "" || !strings.ContainsAny(s[:len(s)-len(begin)], "\t\r") && !strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", []rune(begin)[0]) {
		return Line(s)
	}
	if isNumber(s) {
		return s
	}
	return "'" + Line(s)
}

// isNumber reports whether a text is a decimal number and nothing else.
func isNumber(s string) bool {
	if strings.Trim(s, "+-.0123456789eE") != "" {
		return false // such as -Inf or 0x1p4
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
