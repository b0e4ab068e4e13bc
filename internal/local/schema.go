package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/cfn"

	"github.com/streamctl/streamctl/functions/schema"
	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
	"github.com/streamctl/streamctl/internal/metric"
	"github.com/streamctl/streamctl/internal/warehouse"
)

// migrate runs the schema function as CloudFormation does: it applies
// migrations and creates roles, day partitions, and the metrics and event types
// declared in variables.yaml.
func migrate(ctx context.Context, v config.Variables, s *stores, password string, log *slog.Logger) error {
	metrics, err := metric.Encode(v.Metrics)
	if err != nil {
		return err
	}
	types, err := contract.EncodeList(config.ReservedTypes(v))
	if err != nil {
		return err
	}
	properties, err := contract.EncodeList(v.InsightProperties)
	if err != nil {
		return err
	}
	var answer cfn.Response
	h := schema.New(contract.Schema{Stack: stackName, EventMaxAgeDays: v.EventMaxAgeDays}, schema.Deps{
		Owner:   func() schema.Warehouse { return warehouse.NewURL(s.database(contract.RoleOwner)) },
		Master:  func(_, _ string) schema.Master { return &admitting{warehouse.NewURL(s.master), s.admit} },
		Respond: func(_ context.Context, _ string, body []byte) error { return json.Unmarshal(body, &answer) },
		Log:     log.With("function", contract.FuncSchema),
	})
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(v, contract.FuncSchema))
	defer cancel()
	err = h.Handle(ctx, cfn.Event{RequestType: cfn.RequestUpdate, ResourceProperties: contract.MigrationProperties{
		CodeKey: "local", DatabaseResourceID: "local", MasterUsername: v.DatabaseUsername, MasterPassword: password,
		LoaderConnections: "0", ReaderConnections: "0", Metrics: metrics, EventTypes: types, InsightProperties: properties,
	}.Values()})
	if err == nil && answer.Status != cfn.StatusSuccess {
		err = errors.New(answer.Reason)
	}
	if err == nil {
		err = s.admit(ctx) // the schema may have created roles in a database of an earlier version
	}
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

// admitting gives new roles their passwords: on AWS they log in with tokens.
type admitting struct {
	*warehouse.DB
	admit func(context.Context) error
}

// EnsureRoles creates missing roles and sets their passwords.
func (a *admitting) EnsureRoles(ctx context.Context) error {
	if err := a.DB.EnsureRoles(ctx); err != nil {
		return err
	}
	return a.admit(ctx)
}
