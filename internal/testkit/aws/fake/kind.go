package fake

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// kind declares a resource type: its schema in CloudFormation, and its
// handlers. The file kinds_<service>.go has the types of a service.
type kind struct {
	cfn.Kind
	// id creates the physical id; identify does so for types whose id depends
	// on the account, and may fail.
	id       func(r cfn.Request) string
	identify func(f *account, r cfn.Request) (string, error)
	// attributes of GetAtt as text with {id}, {account} and {region}.
	attributes map[string]string
	// check validates the properties before creation and update.
	check func(f *account, r cfn.Request) error
	// create, update and remove implement the type; create and update may
	// return attributes in addition to the table.
	create func(ctx context.Context, f *account, r cfn.Request) (map[string]any, error)
	update func(ctx context.Context, f *account, r cfn.Request) (map[string]any, error)
	remove func(ctx context.Context, f *account, r cfn.Request) error
}

// Kind looks up a type's declaration, for the stacks.
func (f provider) Kind(resourceType string) (cfn.Kind, bool) {
	k, ok := f.kind(resourceType)
	if !ok {
		return cfn.Kind{}, false
	}
	declared := f.schemas.declare(k.Kind, resourceType)
	for name := range k.attributes {
		declared.Attributes = append(declared.Attributes, name)
	}
	return declared, true
}

// kindGroups returns the types of each service.
func kindGroups() []map[string]kind {
	return []map[string]kind{
		apiGatewayKinds(), apiGatewayDomainKinds(), cloudWatchKinds(), ec2Kinds(), elastiCacheKinds(), eventsKinds(), iamKinds(),
		kinesisKinds(), kmsKinds(), lambdaKinds(), lambdaVersionKinds(), logsKinds(), rdsKinds(), route53Kinds(), s3Kinds(), snsKinds(), wafv2Kinds(),
	}
}

func (f provider) kind(resourceType string) (kind, bool) {
	if cfn.IsCustom(resourceType) {
		return customKind(), true
	}
	for _, group := range kindGroups() {
		if k, ok := group[resourceType]; ok {
			return k, true
		}
	}
	return kind{}, false
}

// Create creates a resource, for the stacks.
func (f provider) Create(ctx context.Context, r cfn.Request) (cfn.Result, error) {
	k, _ := f.kind(r.Type)
	tags, err := f.tags(r)
	if err != nil {
		return cfn.Result{}, err
	}
	if k.check != nil {
		if err := k.check(f.account, r); err != nil {
			return cfn.Result{}, err
		}
	}
	if cfn.IsCustom(r.Type) {
		return f.custom.create(ctx, r)
	}
	if k.identify != nil {
		var err error
		if r.PhysicalID, err = k.identify(f.account, r); err != nil {
			return cfn.Result{}, err
		}
	} else {
		r.PhysicalID = k.id(r)
	}
	if _, taken := f.registry.find(r.Type, registryID(r)); taken {
		return cfn.Result{}, fmt.Errorf("%s already exists", r.PhysicalID)
	}
	attrs := f.fill(k, r)
	r.Initiated(r.PhysicalID)
	p := &physical{kind: r.Type, id: registryID(r), stackName: r.StackName, logicalID: r.LogicalID, stackID: r.StackID, props: r.Properties, attrs: attrs, tags: tags}
	f.registry.put(p)
	if k.create != nil {
		more, err := k.create(ctx, f.account, r)
		maps.Copy(attrs, more)
		if errors.Is(err, errUnfinished) {
			return cfn.Result{}, err
		}
		if err != nil {
			f.registry.remove(r.Type, registryID(r))
			return cfn.Result{}, err
		}
	}
	f.options.Log.DebugContext(ctx, "resource created", "type", r.Type, "logical", r.LogicalID, "id", r.PhysicalID)
	return cfn.Result{PhysicalID: r.PhysicalID, Attributes: attrs}, nil
}

// errUnfinished is a creation that CloudFormation stopped following: the service
// continues it, so that the resource exists.
var errUnfinished = errors.New("the service continues the creation")

// Update changes a resource in place, for the stacks.
func (f provider) Update(ctx context.Context, r cfn.Request) (cfn.Result, error) {
	k, _ := f.kind(r.Type)
	tags, err := f.tags(r)
	if err != nil {
		return cfn.Result{}, err
	}
	if k.check != nil {
		if err := k.check(f.account, r); err != nil {
			return cfn.Result{}, err
		}
	}
	if cfn.IsCustom(r.Type) {
		return f.custom.update(ctx, r)
	}
	p, ok := f.registry.find(r.Type, registryID(r))
	if !ok {
		return cfn.Result{}, cfn.Reasonf("Resource of type '%s' with identifier '%s' was not found.", r.Type, r.PhysicalID)
	}
	attrs := maps.Clone(p.attrs)
	maps.Copy(attrs, f.fill(k, r))
	if k.update != nil {
		more, err := k.update(ctx, f.account, r)
		if err != nil {
			return cfn.Result{}, err
		}
		maps.Copy(attrs, more)
	}
	f.registry.put(&physical{kind: r.Type, id: p.id, stackName: r.StackName, logicalID: r.LogicalID, stackID: r.StackID, props: r.Properties, attrs: attrs, created: p.created, tags: tags})
	return cfn.Result{PhysicalID: r.PhysicalID, Attributes: attrs}, nil
}

// Delete deletes a resource, for the stacks.
func (f provider) Delete(ctx context.Context, r cfn.Request) error {
	if cfn.IsCustom(r.Type) {
		return f.custom.delete(ctx, r)
	}
	k, _ := f.kind(r.Type)
	if _, ok := f.registry.find(r.Type, registryID(r)); !ok {
		return nil
	}
	if k.remove != nil {
		if err := k.remove(ctx, f.account, r); err != nil {
			return err
		}
	}
	f.registry.remove(r.Type, registryID(r))
	return nil
}

// registryID returns the physical id, prefixed with the scope in which it is
// unique: the API, or, for a DNS record, whose name others may share, the
// stack.
func registryID(r cfn.Request) string {
	switch r.Type {
	case "AWS::ApiGateway::Stage", "AWS::ApiGateway::Model":
		return partID(str(r.Properties, "RestApiId"), r.PhysicalID)
	case "AWS::Route53::RecordSet":
		return r.StackID + "|" + r.LogicalID + "|" + str(r.Properties, "HostedZoneId") + str(r.Properties, "HostedZoneName") + "|" + r.PhysicalID
	}
	return r.PhysicalID
}

func partID(apiID, name string) string { return apiID + "|" + name }

func (f provider) fill(k kind, r cfn.Request) map[string]any {
	replace := strings.NewReplacer("{id}", r.PhysicalID, "{account}", f.options.Account, "{region}", f.options.Region)
	out := map[string]any{}
	for name, pattern := range k.attributes {
		if pattern != "" {
			out[name] = replace.Replace(pattern)
		}
	}
	return out
}

// arn returns an ARN in this account and region.
func (f *account) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + f.options.Region + ":" + f.options.Account + ":" + resource
}

// named uses a property as the physical id, or else generates one from stack,
// logical id and random capitals, with at most limit characters.
func named(property string, limit int) func(cfn.Request) string {
	return func(r cfn.Request) string {
		if s, ok := r.Properties[property].(string); ok && s != "" {
			return s
		}
		return generated(r, limit)
	}
}

// lower is named for ids in small letters.
func lower(property string, limit int) func(cfn.Request) string {
	return func(r cfn.Request) string { return strings.ToLower(named(property, limit)(r)) }
}

// prefixed generates ids such as vpc-0a1b2c.
func prefixed(prefix string) func(cfn.Request) string {
	return func(cfn.Request) string { return prefix + wire.NewID(9)[:17] }
}

// short generates ids of ten small letters and digits, like API Gateway.
func short(cfn.Request) string { return strings.ToLower(rand.Text()[:10]) }

func uuid(cfn.Request) string { return wire.NewUUID() }

// handlerError is an error in the format of a resource handler.
func handlerError(service string, status int, message, code string) error {
	return cfn.Reasonf("Resource handler returned message: \"%s (Service: %s, Status Code: %d, Request ID: %s)\" (RequestToken: %s, HandlerErrorCode: %s)",
		message, service, status, wire.NewUUID(), wire.NewUUID(), code)
}

// str reads a property that is a string or another scalar; "" if missing.
func str(props map[string]any, name string) string {
	switch v := props[name].(type) {
	case nil:
		return ""
	case string:
		return v
	case []any, map[string]any:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// flag reads a property that is true or "true".
func flag(props map[string]any, name string) bool { return str(props, name) == "true" }

// number reads a property that is a number or its text.
func number(props map[string]any, name string, fallback int) int {
	var n int
	if _, err := fmt.Sscan(str(props, name), &n); err != nil {
		return fallback
	}
	return n
}

// child reads a property that is a map; empty if missing.
func child(props map[string]any, name string) map[string]any {
	m, _ := props[name].(map[string]any)
	return m
}

// items reads a property that is a list of strings.
func items(props map[string]any, name string) []string {
	list, _ := props[name].([]any)
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// children reads a property that is a list of maps.
func children(props map[string]any, name string) []map[string]any {
	list, _ := props[name].([]any)
	var out []map[string]any
	for _, item := range list {
		m, _ := item.(map[string]any)
		out = append(out, m)
	}
	return out
}

// float reads a property that is a decimal number, or its text.
func float(props map[string]any, name string, fallback float64) float64 {
	n, err := strconv.ParseFloat(str(props, name), 64)
	if err != nil {
		return fallback
	}
	return n
}
