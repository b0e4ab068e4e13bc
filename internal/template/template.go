// Package template builds the CloudFormation template for one environment.
//
// Values that depend on the environment are decided in Go: the template has no
// conditions. goformation's types declare the resources. The renderer is this
// package's own, because goformation's resolves intrinsics, and sometimes drops
// them without an error.
package template

import (
	"errors"
	"fmt"

	"github.com/streamctl/streamctl/internal/config"
)

// MaxBodyBytes is CloudFormation's limit for a template in the request; a larger one
// must be uploaded to S3 first.
const MaxBodyBytes = 51200

// Options are the inputs of a template in addition to the variables.
type Options struct {
	// CodeKeys are the S3 keys of the functions' code, by function name. A missing
	// function gets a parameter without a default.
	CodeKeys map[string]string
}

// Parameter is a template parameter.
type Parameter struct {
	Type                  string
	Description           string   `json:",omitempty"`
	Default               *string  `json:",omitempty"`
	NoEcho                bool     `json:",omitempty"`
	AllowedValues         []string `json:",omitempty"`
	AllowedPattern        string   `json:",omitempty"`
	MinLength             int      `json:",omitempty"`
	MaxLength             int      `json:",omitempty"`
	ConstraintDescription string   `json:",omitempty"`
}

// Output is a stack output.
type Output struct {
	Description string `json:",omitempty"`
	Value       string
}

// Group is a part of the platform. Its resources are rendered together, under its name.
type Group struct {
	Name      string
	Resources []string
}

// Template is a template before it is rendered.
type Template struct {
	Description string
	Parameters  map[string]Parameter
	Mappings    map[string]any
	Outputs     map[string]Output
	// Groups are the resources in rendering order.
	Groups []Group

	resources map[string]tree
	boundary  string            // permissions boundary of every role
	codeKeys  map[string]string // known keys
	aliases   map[string]string // of functions with provisioned concurrency, by function
	errs      []error
}

// resource is the common part of goformation's resource types.
type resource interface{ AWSCloudFormationType() string }

// Build builds the template for an environment. It returns an error for a reference to
// a missing resource, or a region without a required entry.
func Build(v config.Variables, o Options) (*Template, error) {
	t := &Template{
		Description: "streamctl: real-time event analytics (" + v.Environment + ")",
		Parameters:  map[string]Parameter{},
		Mappings:    map[string]any{},
		Outputs:     map[string]Output{},
		resources:   map[string]tree{},
		boundary:    v.PermissionsBoundaryArn,
		codeKeys:    o.CodeKeys,
		aliases:     map[string]string{},
	}
	t.addParameters(v, o)
	t.addNetwork(v)
	t.addKey(v)
	t.addStream(v)
	t.addArchive(v)
	t.addWarehouse(v)
	t.addCache(v)
	t.addFunctions(v)
	t.addMigrations(v)
	t.addSources(v)
	t.addAPI(v)
	t.addOptions(v)
	t.addMonitoring(v)
	t.addOutputs(v)
	t.errs = append(t.errs, t.check())
	if err := errors.Join(t.errs...); err != nil {
		return nil, fmt.Errorf("build template: %w", err)
	}
	return t, nil
}

// group starts a new part; resources added afterwards belong to it.
func (t *Template) group(name string) {
	t.Groups = append(t.Groups, Group{Name: name})
}

func (t *Template) add(id string, r resource) {
	if _, twice := t.resources[id]; twice {
		t.errs = append(t.errs, fmt.Errorf("%s: added twice", id))
	}
	body, err := toTree(r)
	if err != nil {
		t.errs = append(t.errs, fmt.Errorf("%s: %w", id, err))
	}
	t.resources[id], _ = body.(tree)
	g := &t.Groups[len(t.Groups)-1]
	g.Resources = append(g.Resources, id)
}

// kind returns the type of an added resource.
func (t *Template) kind(id string) string {
	kind, _ := t.resources[id]["Type"].(string)
	return kind
}

// overlay is a resource with properties that its Go type lacks, or whose Go type
// accepts no intrinsic or boolean.
type overlay struct {
	resource
	extra map[string]any
}

// with sets properties of a resource over those of its Go type.
func with(r resource, extra map[string]any) resource { return overlay{r, extra} }

// custom is a custom resource; goformation's writes an empty Version.
type custom struct {
	kind                string
	dependsOn           []string
	deletionPolicy      string
	updateReplacePolicy string
	properties          map[string]any
}

func (c custom) AWSCloudFormationType() string { return c.kind }
