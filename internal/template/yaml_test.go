package template

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// FuzzYAML writes any tree and reads it back with yaml.v3: no value may be lost or
// change its type.
func FuzzYAML(f *testing.F) {
	for _, seed := range []string{
		`{"a":{"b":[1,-2.5,1e9,true,null,"text",{"c":{"d":{}}},[[],["x"]]]}}`,
		`{"Value":{"Fn::Sub":["${A}:${B}",{"A":{"Ref":"X"},"B":{"Fn::GetAtt":["Y","Arn"]}}]}}`,
		`["", " ", "a ", "yes", "Null", "~", "1", "0x1F", "1_000", "2010-09-09", "10:30", "<<", "=", ".5", "-", "- a", "--- a", "..."]`,
		`["a: b", "a:", "a #b", "#a", "'", "\"", "\\", "it's", "{a}", "[a", "a,b", "?", "? a", "!a", "&a", "*a", "%a", "@a", "|", ">"]`,
		`["tab\there", "line\nbreak", "\r", "\u0000", "\u0085", "\u2028", "\ufeff", "é", "\ud83d\ude00", "\u00a0"]`,
		`{"": 1, "on": {"- ": "x"}, "a: b": ["y"], "#": [{"k": "v", "l": ["w"]}], "10:30": {}, "?x": [["deep", {"m": "n"}]]}`,
		`[{"Fn::Join":["",["a",{"Ref":"B"}]]},{"Fn::Select":[0,{"Fn::GetAZs":""}]},[{"Fn::Split":["/",{"Ref":"C"}]}]]`,
	} {
		f.Add(seed, 0)
		f.Add(seed, 1<<20)
	}
	f.Fuzz(func(t *testing.T, source string, width int) {
		decoder := json.NewDecoder(strings.NewReader(source))
		decoder.UseNumber()
		var value any
		if !utf8.ValidString(source) || decoder.Decode(&value) != nil {
			return // not JSON
		}
		node := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("Root"), yamlNode(value)}}
		compact(node, 0, width)
		if longKey(node) {
			return // YAML limits keys
		}
		var w yamlWriter
		w.mapping(node, 0)
		w.newline(0)
		var back yaml.Node
		if err := yaml.NewDecoder(bytes.NewReader(w.Bytes())).Decode(&back); err != nil {
			t.Fatalf("%v\n%s", err, w.String())
		}
		if !same(node, back.Content[0]) {
			t.Errorf("read back as something else:\n%s", w.String())
		}
	})
}

func same(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.ShortTag() == b.ShortTag() && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, same)
}

// longKey finds keys longer than those of a template, and than YAML allows.
func longKey(n *yaml.Node) bool {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && len(child.Value) > 200 || longKey(child) {
			return true
		}
	}
	return false
}

// TestYAMLStyles writes one tree in every style that templates have.
func TestYAMLStyles(t *testing.T) {
	const tree = `{"Name":"it's","Number":3,"Text":"3","Old":"yes","ARN":"arn:aws:s3:::b","Empty":{},"None":[],"Blank":"","Comma":"a,b",
		"List":["a",{"b":"c","d":["e","f: g"]},{"Ref":"X"}],"Sub":{"Fn::Sub":["${A}",{"A":"a"}]},"Joined":{"Fn::Join":["-",["a","b"]]}}`
	for _, tt := range []struct {
		width int
		want  string
	}{
		{0, `# A comment
Root:
 ARN: arn:aws:s3:::b
 Blank: ""
 Comma: a,b
 Empty: {}
 Joined: !Join
 - '-'
 - - a
   - b
 List:
 - a
 - b: c
   d:
   - e
   - 'f: g'
 - !Ref X
 Name: it's
 None: []
 Number: 3
 Old: "yes"
 Sub: !Sub
 - ${A}
 - A: a
 Text: "3"
`},
		{70, `# A comment
Root:
 ARN: arn:aws:s3:::b
 Blank: ""
 Comma: a,b
 Empty: {}
 Joined: !Join ['-',[a,b]]
 List: [a,{b: c,d: [e,'f: g']},!Ref X]
 Name: it's
 None: []
 Number: 3
 Old: "yes"
 Sub: !Sub ['${A}',{A: a}]
 Text: "3"
`},
		{1000, `# A comment
Root: {ARN: 'arn:aws:s3:::b',Blank: "",Comma: 'a,b',Empty: {},Joined: !Join ['-',[a,b]],List: [a,{b: c,d: [e,'f: g']},!Ref X],Name: it's,None: [],Number: 3,Old: "yes",Sub: !Sub ['${A}',{A: a}],Text: "3"}
`},
	} {
		decoder := json.NewDecoder(strings.NewReader(tree))
		decoder.UseNumber()
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		node := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text("Root"), yamlNode(value)}}
		node.Content[0].HeadComment = "A comment"
		compact(node, 0, tt.width)
		var w yamlWriter
		w.mapping(node, 0)
		w.newline(0)
		if w.String() != tt.want {
			t.Errorf("width %d:\n%s\nwant:\n%s", tt.width, w.String(), tt.want)
		}
	}
}
