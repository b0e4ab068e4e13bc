package config_test

import (
	"strings"
	"testing"

	"github.com/streamctl/streamctl/internal/config"
)

func TestRemoveWriteKey(t *testing.T) {
	const file = `# ours
ShardCount: 2
WriteKeys:   # apps
  - {Name: web, Hash: a}  # the site
  - Name: app
    Hash: b
    Origins:
      - https://a.example.com
  # a comment
  - {Name: old, Hash: c}
Environments:
  staging:
    WriteKeys:
      - {Name: web, Hash: d}
`
	for name, want := range map[string]struct {
		removed int
		text    string
	}{
		"web":   {2, strings.NewReplacer("  - {Name: web, Hash: a}  # the site\n", "", "    WriteKeys:\n      - {Name: web, Hash: d}\n", "").Replace(file)},
		"app":   {1, strings.Replace(file, "  - Name: app\n    Hash: b\n    Origins:\n      - https://a.example.com\n", "", 1)},
		"other": {0, file},
	} {
		got, removed, err := config.RemoveWriteKey([]byte(file), name)
		if err != nil || removed != want.removed || string(got) != want.text {
			t.Errorf("%s: %d, %v\n%s", name, removed, err, got)
		}
	}
	for _, text := range []string{"WriteKeys: [{Name: web, Hash: a}]", "WriteKeys: [\n{Name: web}]"} {
		if _, _, err := config.RemoveWriteKey([]byte(text), "web"); err == nil || !strings.Contains(err.Error(), "by hand") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, n, err := config.RemoveWriteKey(nil, "web"); len(got) != 0 || n != 0 || err != nil {
		t.Error(got, n, err)
	}
}

func TestWriteKeysAreChecked(t *testing.T) {
	const hash = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
	keys := func(list string) string { return "WriteKeys: [" + list + "]" }
	var many []string
	for i := range 20 {
		many = append(many, "{Name: k"+string(rune('a'+i))+", Hash: "+hash[:42]+string(rune('a'+i))+", Origins: ['https://"+strings.Repeat("a", 120)+".example.com']}")
	}
	for text, want := range map[string]string{
		keys("{Name: web, Hash: " + hash + ", Origins: ['https://a.example.com', '*'], Rate: 5}"): "",
		keys("{Name: web, Hash: short}"):                                          "want the 43 characters",
		keys("{Name: '7', Hash: " + hash + "}"):                                   "want a letter",
		keys("{Name: web, Hash: " + hash + ", Origins: [a/b]}"):                   "want an origin",
		keys("{Name: web, Hash: " + hash + ", Rate: -1}"):                         "is outside",
		keys("{Name: a, Hash: " + hash + "}, {Name: a, Hash: " + hash[1:] + "a}"): "given twice",
		keys("{Name: a, Hash: " + hash + "}, {Name: b, Hash: " + hash + "}"):      "two names have the same key",
		keys(strings.Join(many, ", ")):                                            "Lambda allows 4096",
		"StreamFormats: [pinpoint]":                                               "want amplify or event",
		"StreamFormats: [event]\nPrivacy: {HashUserIds: true}":                    "want one of both",
		"WriteKeysRate: 5":                                                        "has no effect without WriteKeys",
		"Privacy: {IpAddresses: hide}":                                            "want drop, truncate or keep",
		"Privacy: {DropProperties: [email]}":                                      "want a field such as",
	} {
		_, err := config.Load(strings.NewReader(text), "v.yaml", "")
		if got := ""; err != nil {
			got = err.Error()
			if want == "" || !strings.Contains(got, want) || strings.Contains(got, "short") {
				t.Errorf("%.80s: %v, want %s", text, err, want)
			}
		} else if want != "" {
			t.Errorf("%.80s: no problem, want %s", text, want)
		}
	}
}
