package template

import (
	"strings"

	"github.com/streamctl/streamctl/internal/config"
)

// s3PrefixLists are the ids of AWS's prefix lists for S3, the same in every account.
// The endpoint has no such attribute, and CloudFormation can't look them up.
func s3PrefixLists() map[string]string {
	return map[string]string{
		"ap-northeast-1": "pl-61a54008",
		"ap-northeast-2": "pl-78a54011",
		"ap-northeast-3": "pl-a4a540cd",
		"ap-south-1":     "pl-78a54011",
		"ap-southeast-1": "pl-6fa54006",
		"ap-southeast-2": "pl-6ca54005",
		"ca-central-1":   "pl-7da54014",
		"eu-central-1":   "pl-6ea54007",
		"eu-north-1":     "pl-c3aa4faa",
		"eu-west-1":      "pl-6da54004",
		"eu-west-2":      "pl-7ca54015",
		"eu-west-3":      "pl-23ad484a",
		"sa-east-1":      "pl-6aa54003",
		"us-east-1":      "pl-63a5400a",
		"us-east-2":      "pl-7ba54012",
		"us-west-1":      "pl-6ba54002",
		"us-west-2":      "pl-68a54001",
	}
}

const mapRegions = "Regions"

// s3PrefixList is the prefix list of the stack's region: the one in variables.yaml,
// else a lookup that fails immediately in a region that the table lacks.
func (t *Template) s3PrefixList(v config.Variables) string {
	if v.S3PrefixListId != "" {
		return v.S3PrefixListId
	}
	table := map[string]any{}
	for name, id := range s3PrefixLists() {
		table[name] = map[string]any{"S3": id}
	}
	t.Mappings[mapRegions] = table
	return FindInMap(mapRegions, Ref(region), "S3")
}

// consoleHost is the host of the console in a region's partition.
func consoleHost(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "console.amazonaws-us-gov.com"
	}
	return "console.aws.amazon.com"
}

// KnownRegion reports whether the built-in table has the region's prefix list.
func KnownRegion(name string) bool {
	_, known := s3PrefixLists()[name]
	return known
}
