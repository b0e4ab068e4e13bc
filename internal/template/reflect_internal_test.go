package template

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/awslabs/goformation/v7/cloudformation/kinesis"
	"github.com/awslabs/goformation/v7/cloudformation/policies"
	"github.com/awslabs/goformation/v7/cloudformation/tags"
)

type flag string

// TestToTree compares the conversion with that of encoding/json.
func TestToTree(t *testing.T) {
	n := 3
	embedded := struct {
		tags.Tag
		Other int
	}{tags.Tag{Key: "k"}, 1}
	for name, value := range map[string]any{
		"nil":        nil,
		"scalars":    []any{true, false, -1, int64(math.MinInt64), uint8(7), 1.5, 1e21, float32(0.1), "a<b>&\u2028", "\xff", flag("x"), json.Number("1e3"), ""},
		"containers": map[flag]any{"a": []string{}, "b": []string(nil), "c": map[string]int(nil), "d": map[string]any{}, "e": [2]int{1, 2}, "f": []byte("bytes")},
		"raw":        json.RawMessage(`{"a":[1,null]}`),
		"int keys":   map[int]string{1: "a"},
		"intrinsics": map[string]any{"a": Sub("${X}"), "b": []string{Join(",", Ref("A"), "b")}, "c": SubWith("${Y}", map[string]string{"Y": GetAtt("R", "Arn")})},
		"fields": struct {
			Plain   string
			Named   *int   `json:"other"`
			Left    []int  `json:",omitempty"`
			Kept    []int  `json:"kept"`
			Never   string `json:"-"`
			Zero    int    `json:"zero,omitempty"`
			Nothing any    `json:"nothing,omitempty"`
			Part    tags.Tag
			private string
		}{Named: &n, private: "p"},
		"embedded": embedded,
		"resource": &kinesis.Stream{
			Name: &[]string{Ref("N")}[0], ShardCount: &n, Tags: []tags.Tag{{Key: "a", Value: "b"}},
			AWSCloudFormationDependsOn: []string{"A"}, AWSCloudFormationDeletionPolicy: policies.DeletionPolicy("Retain"),
			AWSCloudFormationMetadata: map[string]any{"m": 1}, AWSCloudFormationCondition: "C",
		},
		"resource as a value": kinesis.Stream{},
		"nil resource":        (*kinesis.Stream)(nil),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		want, err := parseTree(text)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := toTree(value); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v, %v, want %#v", name, got, err, want)
		}
	}
	for name, value := range map[string]any{
		"concatenated": "a" + Ref("X"), "key": map[string]int{Ref("X"): 1}, "not a number": math.NaN(), "channel": []any{make(chan int)},
	} {
		if got, err := toTree(value); err == nil {
			t.Errorf("%s: %#v, want an error", name, got)
		}
	}
}
