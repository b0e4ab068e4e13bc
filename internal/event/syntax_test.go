package event

import (
	"strings"
	"testing"
	"unicode/utf16"
)

// TestEachMistakeHasItsMessage sends bodies that aren't JSON: every mistake has its own
// message with a fix.
func TestEachMistakeHasItsMessage(t *testing.T) {
	const one = `{"userId":"u","eventType":"x"}`
	wide := func(text string, unit int, little bool) string {
		var out []byte
		for _, u := range utf16.Encode([]rune(text)) {
			bytes := []byte{byte(u >> 8), byte(u)}
			bytes = append(make([]byte, unit-2), bytes...)
			for i := range bytes {
				if little {
					out = append(out, bytes[len(bytes)-1-i])
				} else {
					out = append(out, bytes[i])
				}
			}
		}
		return string(out)
	}
	in := func(value string) string { return `{"userId":"u","eventType":"x","properties":{"a":` + value + `}}` }
	for name, c := range map[string]struct{ body, want string }{
		"empty":                       {"", "the body is empty: send an event"},
		"white space":                 {" \r\n\t", "the body is empty apart from white space: send an event"},
		"null":                        {"null", "the body is null: send an event"},
		"true":                        {" true\n", "the body is true: send an event"},
		"a number":                    {"-12.5e3", "the body is a number: send an event"},
		"a string":                    {`"x"`, "the body is a string: send an event"},
		"encoded twice":               {`"{\"userId\":\"u\"}"`, "the body is a string that holds JSON: it was encoded twice"},
		"no braces":                   {`"userId":"u"`, "the body begins with a member, without the {"},
		"undefined":                   {"undefined", "the body is undefined, which is not JSON"},
		"[object Object]":             {"[object Object]", "the body is [object Object], a JavaScript object"},
		"BOM":                         {"\xef\xbb\xbf" + one, "the body begins with a byte order mark (BOM, the bytes EF BB BF)"},
		"BOM alone":                   {"\xef\xbb\xbf", "the body begins with a byte order mark"},
		"UTF-16 LE with BOM":          {"\xff\xfe" + wide(one, 2, true), "the body is in UTF-16"},
		"UTF-16 BE with BOM":          {"\xfe\xff" + wide(one, 2, false), "the body is in UTF-16"},
		"UTF-16 LE":                   {wide(one, 2, true), "the body is in UTF-16"},
		"UTF-16 BE":                   {wide(one, 2, false), "the body is in UTF-16"},
		"UTF-32 LE with BOM":          {"\xff\xfe\x00\x00" + wide(one, 4, true), "the body is in UTF-32"},
		"UTF-32 BE with BOM":          {"\x00\x00\xfe\xff" + wide(one, 4, false), "the body is in UTF-32"},
		"UTF-32 LE":                   {wide(one, 4, true), "the body is in UTF-32"},
		"UTF-32 BE":                   {wide(one, 4, false), "the body is in UTF-32"},
		"Latin-1 text":                {"\xfcber", "the body is not text in UTF-8"},
		"binary":                      {"\x89PNG\r\n", "the body is not text in UTF-8"},
		"zlib":                        {"\x78\x9c\xab\xae\x05", "the body is zlib data (deflate) without Content-Encoding: deflate"},
		"zstd":                        {"\x28\xb5\x2f\xfd\x04", "the body is compressed with zstd: compress with gzip"},
		"ZIP":                         {"PK\x03\x04", "the body is a ZIP archive"},
		"gzip as text":                {"\x1f\ufffd\x08\x00", "the body was gzip and was damaged by a conversion to text"},
		"XML":                         {`<?xml version="1.0"?><event/>`, "the body is XML or HTML"},
		"a form":                      {"userId=u&eventType=x", "the body is a form (name=value)"},
		"a form around JSON":          {"payload=" + one, "the body is a form (name=value)"},
		"a multipart form":            {"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--", "the body is a multipart form"},
		"percent encoding":            {"%7B%22userId%22%3A1%7D", "the body is JSON in percent encoding"},
		"base64 of JSON":              {"eyJ1c2VySWQiOiJ1IiwiZXZlbnRUeXBlIjoieCJ9", "the body is base64 and holds JSON or gzip"},
		"base64 of gzip":              {"H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==", "the body is base64 and holds JSON or gzip"},
		"YAML":                        {"userId: u\neventType: x\n", "the body looks like YAML"},
		"a name of a file":            {"@events.json", "looks like the name of a file"},
		"plain text":                  {"hello world", `the body is not JSON, it begins with "hello"`},
		"quotes of Windows":           {"'" + one + "'", "the body begins with a single quote"},
		"a comment first":             {"// events\n" + one, "the body begins with a comment"},
		"single quotes":               {`{'userId':'u'}`, "at byte 1: a single quote where JSON wants double quotes"},
		"a single quote inside":       {in(`'b'`), "a single quote where JSON wants double quotes"},
		"a trailing comma":            {`{"userId":"u",}`, "at byte 14: a trailing comma before }: remove it"},
		"a trailing comma in a list":  {"[" + one + ",\n]", "at byte 33 (line 2, column 1): a trailing comma before ]: remove it"},
		"two commas":                  {"[" + one + ",," + one + "]", "a comma without a value before it"},
		"NaN":                         {in("NaN"), "NaN, which is not a JSON number"},
		"Infinity":                    {in("Infinity"), "Infinity, which is not a JSON number"},
		"-Infinity":                   {in("-Infinity"), "Infinity, which is not a JSON number"},
		"inf":                         {in("inf"), "inf, which is not a JSON number"},
		"undefined inside":            {in("undefined"), "undefined, which is not a JSON value"},
		"None":                        {in("None"), "None, which is not a JSON value"},
		"True":                        {in("True"), "True, which JSON writes as true"},
		"TRUE":                        {in("TRUE"), "TRUE, which JSON writes as true"},
		"an unquoted name":            {`{userId:"u"}`, "the name userId without double quotes"},
		"an unquoted second name":     {`{"userId":"u", eventType:"x"}`, "the name eventType without double quotes"},
		"an unquoted value":           {in("abc"), "the word abc without double quotes"},
		"hexadecimal":                 {in("0x1F"), "the number 0x1F in another base"},
		"a leading plus":              {in("+1"), "a number with a leading +"},
		"a leading zero":              {in("007"), "the number 007 with leading zeros"},
		"no digit before the point":   {in(".5"), "the number .5 without a digit beside its point"},
		"no digit after the point":    {in("5."), "the number 5. without a digit beside its point"},
		"a digit separator":           {in("1_000"), "the number 1_000 in a form that JSON doesn't have"},
		"no exponent":                 {in("1e"), "the number 1e in a form that JSON doesn't have"},
		"a minus alone":               {in("-"), "a minus sign without a number"},
		"a line break in a string":    {in("\"a\nb\""), `a control character in a string: write it as \u000a`},
		"a tab in a string":           {in("\"a\tb\""), `a control character in a string: write it as \u0009`},
		"NUL in a string":             {in("\"a\x00b\""), `a control character in a string: write it as \u0000`},
		"a control character outside": {"{\x01}", "the control character U+0001 between values"},
		"an escape of C":              {in(`"\x41"`), `the escape \x, which JSON doesn't have`},
		"an escaped single quote":     {in(`"it\'s"`), `the escape \', which JSON doesn't have`},
		"a comment":                   {in("1 /* a */"), "a comment, and JSON has none"},
		"a line comment":              {in("1 // a\n"), "a comment, and JSON has none"},
		"typographic quotes":          {`{“userId”:1}`, "a typographic quote"},
		"a no-break space":            {"{\u00a0\"userId\":1}", "U+00A0, which is not white space in JSON"},
		"a missing comma":             {`{"a":1 "b":2}`, "a value without a comma or colon before it"},
		"an equals sign":              {`{"a"=1}`, "a = where JSON wants a :"},
		"a semicolon":                 {`{"a":1;"b":2}`, "a ; where JSON wants a ,"},
		"the wrong bracket":           {`[{"a":1]`, "a closing ] without an opening one"},
		"cut off":                     {`{"userId":`, "the body is cut off: it ends inside an object after 10 bytes"},
		"cut off in a string":         {`{"userId":"abc`, "the body is cut off: it ends inside a string after 14 bytes"},
		"cut off in a list":           {"[" + one + ",", "the body is cut off: it ends inside an array"},
		"two documents":               {one + one, "the body has a second JSON value at byte 30: send the events as an array"},
		"NDJSON":                      {one + "\n" + one + "\n", "the body has several JSON values, one per line (NDJSON): send the events as an array"},
		"NDJSON with CRLF":            {one + "\r\n" + one, "the body has several JSON values, one per line (NDJSON)"},
		"two lists":                   {"[" + one + "][" + one + "]", "the body has a second JSON value"},
		"a list without brackets":     {one + "," + one, "the body is a list without brackets"},
		"a JSON text sequence":        {"\x1e" + one + "\n\x1e" + one, "the body is a JSON text sequence"},
		"NUL at the end":              {one + "\x00", "the body ends with 1 NUL byte(s)"},
		"a bracket too many":          {one + "}", "one closing } too many"},
		"rest after the end":          {one + ";", "there is text after the end of the JSON value at byte 30"},
	} {
		_, wrong := Read([]byte(c.body))
		if wrong == nil || !strings.Contains(wrong.Detail, c.want) || wrong.Field != "" {
			t.Errorf("%s: got %v, want %s", name, wrong, c.want)
		}
		if wrong != nil && len(c.body) > 0 && !strings.ContainsAny(wrong.Detail, ":;") {
			t.Errorf("%s: %s: and what to do?", name, wrong.Detail)
		}
	}
}

func TestNumbersAreInTheRangeOfADouble(t *testing.T) {
	for number, want := range map[string]string{
		"0": "", "-0": "", "0e-400": "", "-0.000e+400": "", "1.7976931348623157e308": "", "-1.7976931348623157E308": "", "5e-324": "", "-4.9406564584124654e-324": "", "1e-320": "",
		"0." + strings.Repeat("0", 253) + "1": "", strings.Repeat("9", 256): "", "0.00001e313": "", "1000000e302": "",
		"1e309": "too large", "-1e309": "too large", "1e400": "too large", "-1e400": "too large", "0.1e310": "too large", "1.8e308": "too large", "1e99999999999999999999": "too large",
		strings.Repeat("9", 250) + "e59": "too large", strings.Repeat("9", 400): "of 400 characters", "1." + strings.Repeat("0", 400): "of 402 characters",
		"1e-400": "too close to zero", "-1e-400": "too close to zero", "2e-324": "too close to zero", "1e-99999999999999999999": "too close to zero",
		"0e401": "exponent outside ±400", "0e-99999": "exponent outside ±400", "0e99999999999999999999": "exponent outside ±400",
	} {
		for _, place := range []string{`{"a":%}`, `{"a":[1,{"b":[%]}]}`, `{"a":[[%,0]],"c":1}`} {
			body := `{"userId":"u","eventType":"x","properties":` + strings.Replace(place, "%", number, 1) + `}`
			_, errs := Decode([]byte(body))
			_, slow := decode([]byte(body))
			if (want == "") != (len(errs) == 0) || len(slow) != len(errs) {
				t.Errorf("%s in %s: %v, slowly %v", number, place, errs, slow)
			}
			if want != "" && (len(errs) != 1 || !strings.Contains(errs[0].Detail, want) || !strings.HasPrefix(errs[0].Field, "properties.a")) {
				t.Errorf("%s in %s: %v, want %s", number, place, errs, want)
			}
		}
	}
}

func TestReplacedTextIsFound(t *testing.T) {
	for _, e := range []Event{{UserID: "M\ufffdller", Type: "x"}, {UserID: "u", Type: "Gr\ufffd\ufffde"}} {
		if wrong, ok := e.CheckReplaced(); ok || !strings.Contains(wrong.Detail, "U+FFFD") {
			t.Errorf("%+v: %v", e, wrong)
		}
	}
	if wrong, ok := (Event{UserID: "Müller", Type: "Größe"}).CheckReplaced(); !ok {
		t.Error(wrong)
	}
}
