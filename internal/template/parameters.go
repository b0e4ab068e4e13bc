package template

import (
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

// addParameters declares the six parameters that people set, and the code keys of the
// functions, whose defaults `streamctl package` supplies.
func (t *Template) addParameters(v config.Variables, o Options) {
	t.Parameters[paramEnvironment] = Parameter{
		Type: "String", Default: new(v.Environment), AllowedValues: []string{v.Environment},
		ConstraintDescription: "rendered for " + v.Environment + "; see `streamctl render --env`",
	}
	t.Parameters[paramProject] = Parameter{
		Type: "String", Default: new(v.ProjectName), AllowedPattern: config.ProjectNamePattern,
		Description:           "For tags and titles",
		ConstraintDescription: config.ProjectNameRule,
	}
	t.Parameters[paramVpcCidr] = Parameter{
		Type: "String", Default: new(v.VpcCidr),
		AllowedPattern:        `^(10\.[0-9]{1,3}|172\.(1[6-9]|2[0-9]|3[01])|192\.168)(\.[0-9]{1,3}){2}/(1[6-9]|2[0-4])$`,
		ConstraintDescription: "a private IPv4 block between /16 and /24",
	}
	t.Parameters[paramUsername] = Parameter{
		Type: "String", Default: new(v.DatabaseUsername), AllowedPattern: config.UsernamePattern,
		ConstraintDescription: config.UsernameRule,
	}
	t.Parameters[paramPassword] = Parameter{
		Type: "String", NoEcho: true, AllowedPattern: config.PasswordPattern, MinLength: 8, MaxLength: 128,
		ConstraintDescription: config.PasswordRule,
	}
	t.Parameters[paramClass] = Parameter{
		Type: "String", Default: new(v.DatabaseInstanceClass), AllowedPattern: config.InstanceClassPattern,
		Description:           "Alarm thresholds follow with the next streamctl deploy",
		ConstraintDescription: config.InstanceClassRule,
	}
	for _, f := range contract.Functions() {
		p := Parameter{Type: "String"}
		if key, known := o.CodeKeys[f.Name]; known {
			p.Default = new(key)
		}
		t.Parameters[CodeKeyParameter(f.Name)] = p
	}
}

// ProjectParameter is the project's name.
const ProjectParameter = paramProject

// PasswordParameter is the one secret parameter.
const PasswordParameter = paramPassword

// Values returns the parameters' values for a deploy, without the password and the code
// keys.
func Values(v config.Variables) map[string]string {
	return map[string]string{
		paramEnvironment: v.Environment,
		paramProject:     v.ProjectName,
		paramVpcCidr:     v.VpcCidr,
		paramUsername:    v.DatabaseUsername,
		paramClass:       v.DatabaseInstanceClass,
	}
}
