package cfn

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// Finding is a finding of early validation, which a test requests.
type Finding struct {
	LogicalID, Type string
	// Name is the check, such as AWS::EarlyValidation::ResourceExistenceCheck.
	Name string
	// Path is the place in the template; Reason is CloudFormation's text.
	Path, Reason string
	// Warn reports a finding that does not fail the operation. Only change sets have
	// those.
	Warn bool
}

// recordedOperation is an operation in DescribeEvents, with the findings of early
// validation.
type recordedOperation struct {
	id, kind string
	findings []Finding
	at       time.Time
}

// FailValidation makes early validation of the next change set, create or update find
// these.
func (s *Service) FailValidation(findings ...Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings = append(s.findings, findings...)
}

// takeFindings returns the requested findings, once; the caller holds the lock.
func (s *Service) takeFindings(kind string) recordedOperation {
	out := recordedOperation{id: wire.NewUUID(), kind: kind, findings: s.findings, at: time.Now()}
	s.findings = nil
	return out
}

// failure is the reason of an operation that early validation ended; empty if it didn't.
func (o recordedOperation) failure() string {
	var names []string
	for _, f := range o.findings {
		if !f.Warn && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("The following hook(s)/validation failed: [%s]. To troubleshoot Early Validation errors, use the DescribeEvents API for detailed failure information.", strings.Join(names, ", "))
}

// describeEvents lists the findings of a change set, or of a stack's operations, the newest
// first. Other events than findings and the operations' own are not listed here.
func (s api) describeEvents(f wire.Form) ([]wire.Node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Get("ChangeSetName") != "" {
		c, st, err := s.changeSets.findChangeSet(f)
		if err != nil {
			return nil, err
		}
		return operationNodes(st, []recordedOperation{c.validation}), nil
	}
	st := s.find(f.Get("StackName"))
	if st == nil {
		return nil, invalid("Stack [%s] does not exist", f.Get("StackName"))
	}
	return operationNodes(st, st.operations), nil
}

func operationNodes(st *stack, operations []recordedOperation) []wire.Node {
	type entry struct {
		recordedOperation
		finding *Finding
	}
	var entries []entry
	for _, o := range operations {
		entries = append(entries, entry{o, nil})
		for i := range o.findings {
			entries = append(entries, entry{o, &o.findings[i]})
		}
	}
	slices.Reverse(entries)
	return []wire.Node{wire.List("OperationEvents", "member", entries, func(e entry) []wire.Node {
		nodes := []wire.Node{wire.Text("EventId", wire.NewUUID()), wire.Text("StackId", st.id), wire.Text("OperationId", e.id), wire.Text("OperationType", e.kind), stamp("Timestamp", e.at)}
		if e.finding == nil {
			return append(nodes, wire.Text("EventType", "STACK_EVENT"), wire.Text("LogicalResourceId", st.name))
		}
		mode := "FAIL"
		if e.finding.Warn {
			mode = "WARN"
		}
		return append(nodes, wire.Text("EventType", "VALIDATION_ERROR"), wire.Text("LogicalResourceId", e.finding.LogicalID), wire.Optional("ResourceType", e.finding.Type),
			wire.Text("ValidationName", e.finding.Name), wire.Text("ValidationStatus", "FAILED"), wire.Text("ValidationFailureMode", mode),
			wire.Text("ValidationStatusReason", e.finding.Reason), wire.Optional("ValidationPath", e.finding.Path))
	})}
}

// rejectEarly ends a create or an update that early validation failed, without a change of
// a resource: CloudFormation rolls it back. The caller holds the lock.
func (s *Service) rejectEarly(st *stack, started, rolling, rolled, reason string) {
	s.begin(st, started, "User Initiated", func(operation) {
		s.finish(st, rolling, reason)
		s.mu.Lock()
		st.operations = append(st.operations, recordedOperation{id: wire.NewUUID(), kind: "ROLLBACK", at: time.Now()})
		s.mu.Unlock()
		s.finish(st, rolled, "")
	})
}
