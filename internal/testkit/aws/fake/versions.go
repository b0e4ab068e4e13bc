package fake

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// latest is the qualifier of the function itself.
const latest = "$LATEST"

// splitFunction splits a function's name or ARN; qualifier is empty, a
// version's number or an alias.
func splitFunction(nameOrARN string) (name, qualifier string) {
	if _, after, ok := strings.Cut(nameOrARN, ":function:"); ok {
		nameOrARN = after
	}
	name, qualifier, _ = strings.Cut(nameOrARN, ":")
	if qualifier == latest {
		qualifier = ""
	}
	return name, qualifier
}

// functionName returns the name without a qualifier.
func functionName(nameOrARN string) string {
	name, _ := splitFunction(nameOrARN)
	return name
}

func qualified(name, qualifier string) string {
	if qualifier == "" || qualifier == latest {
		return name
	}
	return name + ":" + qualifier
}

// functionARN returns the ARN of a function, a version or an alias.
func (f lambdaAPI) functionARN(nameOrARN string) string {
	return f.arn("lambda", "function:"+qualified(splitFunction(nameOrARN)))
}

// codeHash returns the CodeSha256 of a function's code as it is now in its
// bucket.
func (f lambdaAPI) codeHash(props map[string]any) string {
	code := child(props, "Code")
	data, err := f.objects.Get(str(code, "S3Bucket"), str(code, "S3Key"))
	if err != nil {
		data = []byte(str(code, "ZipFile"))
	}
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// configuration returns the properties that a version is a snapshot of, without
// the code.
func configuration(props map[string]any) map[string]any {
	out := maps.Clone(props)
	for _, name := range []string{"Code", "Tags", "ReservedConcurrentExecutions", "CodeSigningConfigArn", "RuntimeManagementConfig", "RecursiveLoop"} {
		delete(out, name)
	}
	return out
}

// publish creates a version of a function in its current state. If nothing has
// changed, Lambda returns the existing version, which CloudFormation takes for
// another resource's.
func (fs *functions) publish(name string) (*function, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fn, ok := fs.byName[name]
	if !ok {
		return nil, handlerError("Lambda", 404, "Function not found: "+fs.fake.lambda.functionARN(name), "NotFound")
	}
	number := strconv.Itoa(fs.published[name])
	last, ok := fs.byName[qualified(name, number)]
	if ok && last.codeHash == fn.codeHash && reflect.DeepEqual(configuration(last.props), configuration(fn.props)) {
		return nil, cfn.Reasonf("Resource handler returned message: \"A version for this Lambda function exists ( %s ). Modify the function to create a new version.\" (RequestToken: %s, HandlerErrorCode: AlreadyExists)",
			number, uuid(cfn.Request{}))
	}
	fs.published[name]++
	number = strconv.Itoa(fs.published[name])
	version := &function{
		name: name, arn: fn.arn + ":" + number, version: number, stackName: fn.stackName, logicalID: fn.logicalID,
		props: fn.props, codeHash: fn.codeHash, credential: fn.credential,
		slots: make(chan struct{}, fs.fake.options.Concurrency), invokes: fn.invokes, running: fn.running,
	}
	fs.byName[qualified(name, number)] = version
	return version, nil
}

// unpublish deletes a version, unless an alias uses it.
func (fs *functions) unpublish(arn string) error {
	name, number := splitFunction(arn)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if aliases := fs.aliasesOf(name, number); len(aliases) > 0 {
		return handlerError("Lambda", 409, "Unable to delete version because the following aliases reference it: ["+strings.Join(aliases, ", ")+"]", "ResourceConflict")
	}
	fs.retireVersion(name, number)
	delete(fs.byName, qualified(name, number))
	return nil
}

// aliasesOf lists a version's aliases. The functions are locked.
func (fs *functions) aliasesOf(name, number string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(fs.aliases)) {
		if of, alias := splitFunction(key); of == name && fs.aliases[key] == number {
			out = append(out, alias)
		}
	}
	return out
}

// point creates or changes an alias; an empty version removes it. The
// environments of a version without aliases end.
func (fs *functions) point(name, alias, version string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	key := qualified(name, alias)
	before := fs.aliases[key]
	if version == "" {
		delete(fs.aliases, key)
	} else {
		fs.aliases[key] = version
	}
	if before != latest && len(fs.aliasesOf(name, before)) == 0 {
		fs.retireVersion(name, before)
	}
}

// retireVersion ends a version's environments. The functions are locked.
func (fs *functions) retireVersion(name, number string) {
	fn, ok := fs.byName[qualified(name, number)]
	if !ok || fn.version == latest {
		return
	}
	fn.mu.Lock()
	defer fn.mu.Unlock()
	fn.retire()
}
