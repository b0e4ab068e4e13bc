package fake

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
	"github.com/streamctl/streamctl/internal/testkit/aws/fake/wire"
)

// closedPort is the port of a store's endpoint without a backend; nothing
// listens on port 1.
const closedPort = 1

func checkDatabase(f *account, r cfn.Request) error {
	p := r.Properties
	if str(p, "SourceDBInstanceIdentifier") != "" {
		return checkReplica(f, r)
	}
	refuse := func(message string) error { return handlerError("Rds", 400, message, "InvalidRequest") }
	if engine := str(p, "Engine"); engine == "" && str(p, "DBSnapshotIdentifier") == "" {
		return refuse("The parameter Engine must be provided and must not be blank.")
	}
	if str(p, "DBInstanceClass") == "" {
		return refuse("The parameter DBInstanceClass must be provided and must not be blank.")
	}
	if number(p, "AllocatedStorage", 0) < 20 {
		return refuse("Invalid storage size for engine name postgres and storage type gp3: " + str(p, "AllocatedStorage"))
	}
	if limit := number(p, "MaxAllocatedStorage", 0); limit > 0 && float64(limit) < 1.1*float64(number(p, "AllocatedStorage", 0)) {
		return refuse("Invalid max storage size for engine name postgres and storage type gp3: " + str(p, "MaxAllocatedStorage"))
	}
	user, password := str(p, "MasterUsername"), str(p, "MasterUserPassword")
	switch {
	case user == "":
		return refuse("The parameter MasterUsername must be provided and must not be blank.")
	case user == "admin" || user == "rdsadmin" || strings.HasPrefix(user, "pg_") || len(user) > 63:
		return refuse("MasterUsername " + user + " cannot be used as it is a reserved word used by the engine")
	case len(password) < 8:
		return refuse("The parameter MasterUserPassword is not a valid password because it is shorter than 8 characters.")
	case strings.ContainsAny(password, "/\"@ '"):
		return refuse("The parameter MasterUserPassword is not a valid password. Only printable ASCII characters besides '/', '@', '\"', ' ' may be used.")
	}
	return f.rds.checkDatabaseGroups(p, str(p, "EngineVersion"))
}

// checkReplica requires a source with backups, and none of the properties that
// a read replica inherits. The source may be deleted later: the replica is then
// an independent database.
func checkReplica(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("Rds", 400, message, "InvalidRequest") }
	if str(p, "DBInstanceClass") == "" {
		return refuse("The parameter DBInstanceClass must be provided and must not be blank.")
	}
	source, ok := f.rds.sourceOf(p)
	if !ok && r.PhysicalID == "" {
		return handlerError("Rds", 404, "DBInstance "+str(p, "SourceDBInstanceIdentifier")+" not found.", "NotFound")
	}
	if ok && number(source.props, "BackupRetentionPeriod", 1) == 0 {
		return refuse("Automated backups are not enabled for this database instance. To enable automated backups, use ModifyDBInstance to set the backup retention period to a non-zero value.")
	}
	for _, name := range []string{"MasterUsername", "MasterUserPassword", "DBName", "KmsKeyId"} {
		if str(p, name) != "" {
			return refuse("The parameter " + name + " can't be specified for a read replica, which has its source's.")
		}
	}
	if str(p, "DBSubnetGroupName") != "" {
		return refuse("The DBSubnetGroup shouldn't be specified while creating read replicas that lie in the same region as the source instance.")
	}
	return f.rds.checkDatabaseGroups(p, "")
}

// sourceOf returns the instance that a read replica copies, if it still exists.
func (f rdsAPI) sourceOf(props map[string]any) (*physical, bool) {
	id := str(props, "SourceDBInstanceIdentifier")
	return f.registry.find("AWS::RDS::DBInstance", id[strings.LastIndexByte(id, ':')+1:])
}

// instanceProperties returns an instance's properties, including those that a
// read replica inherits from its source.
func (f rdsAPI) instanceProperties(p *physical) map[string]any {
	source, ok := f.sourceOf(p.props)
	if !ok {
		return p.props
	}
	out := maps.Clone(source.props)
	for _, name := range []string{"DeletionProtection", "MultiAZ", "BackupRetentionPeriod"} {
		delete(out, name)
	}
	maps.Copy(out, p.props)
	return out
}

// checkDatabaseGroups requires existing groups that match the version; an empty
// version matches any.
func (f rdsAPI) checkDatabaseGroups(p map[string]any, version string) error {
	for property, resourceType := range map[string]string{"DBSubnetGroupName": "AWS::RDS::DBSubnetGroup", "DBParameterGroupName": "AWS::RDS::DBParameterGroup"} {
		if name := str(p, property); name != "" {
			group, ok := f.registry.find(resourceType, name)
			if !ok {
				return handlerError("Rds", 404, strings.TrimSuffix(property, "Name")+" not found: "+name, "NotFound")
			}
			family := str(group.props, "Family")
			if major, _, _ := strings.Cut(version, "."); family != "" && version != "" && family != "postgres"+major {
				return handlerError("Rds", 400, fmt.Sprintf("The parameter group %s with DBParameterGroupFamily %s can't be used for this instance. Use a parameter group with DBParameterGroupFamily postgres%s", name, family, major), "InvalidRequest")
			}
		}
	}
	return nil
}

func createDatabase(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	resourceID := "db-" + strings.ToUpper(wire.NewID(13))
	host, port := "127.0.0.1", closedPort
	if f.options.Databases != nil {
		var source Database
		if s, ok := f.rds.sourceOf(r.Properties); ok {
			source, _ = (Inventory{f}).Database(s.id)
		}
		db, err := f.options.Databases(ctx, DatabaseSpec{
			ID: r.PhysicalID, Dir: filepath.Join(f.options.Dir, r.PhysicalID), Source: source,
			MasterUsername: str(r.Properties, "MasterUsername"), MasterPassword: str(r.Properties, "MasterUserPassword"), DBName: str(r.Properties, "DBName"),
			ResourceARN: f.arn("rds-db", "dbuser:"+resourceID), Region: f.options.Region, CA: f.ca, Keys: f.keys,
			Login: func(l Login) {
				f.stores.login(l)
				if l.Kind == "iam" && l.Principal != "" {
					f.rds.recordLogin(l, "rds-db", "connect", f.arn("rds-db", "dbuser:"+resourceID+"/"+l.User))
				}
			},
		})
		if err != nil {
			return nil, fmt.Errorf("start database: %w", err)
		}
		f.stores.mu.Lock()
		f.stores.databases[r.PhysicalID] = db
		f.stores.mu.Unlock()
		host, port = db.Endpoint()
	}
	attributes := map[string]any{"Endpoint.Address": host, "Endpoint.Port": fmt.Sprint(port), "DbiResourceId": resourceID}
	f.stores.enter(r.PhysicalID, f.databaseStep(), "creating", "backing-up")
	if err := f.rds.awaitDatabase(ctx, r.PhysicalID); err != nil {
		return attributes, fmt.Errorf("%w: %w", errUnfinished, err)
	}
	return attributes, nil
}

// recordLogin adds a login to the recorded calls, authorized like a call to
// IAM; a rejected login has status 403.
func (f rdsAPI) recordLogin(l Login, service, action, resource string) {
	c := Call{At: l.At, Principal: l.Principal, Service: service, Action: action, Operation: action, Resource: resource, Status: 200}
	if !l.OK {
		c.Status, c.Code = 403, "AccessDenied"
	}
	f.recorder.add(c)
}

func updateDatabase(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	password := str(r.Properties, "MasterUserPassword")
	if password == str(r.OldProperties, "MasterUserPassword") {
		return nil, nil
	}
	f.stores.mu.Lock()
	db := f.stores.databases[r.PhysicalID]
	f.stores.mu.Unlock()
	if db == nil {
		return nil, nil
	}
	return nil, db.SetMasterPassword(ctx, password)
}

func removeDatabase(ctx context.Context, f *account, r cfn.Request) error {
	p, _ := f.registry.find(r.Type, r.PhysicalID)
	if flag(p.props, "DeletionProtection") {
		return handlerError("Rds", 400, "Cannot delete protected DB Instance, please disable deletion protection and try again.", "InvalidRequest")
	}
	if err := f.rds.awaitDatabase(ctx, r.PhysicalID); err != nil {
		return err
	}
	if err := f.stores.stopDatabase(ctx, r.PhysicalID); err != nil {
		return err
	}
	if r.SnapshotID != "" && str(p.props, "SourceDBInstanceIdentifier") == "" { // RDS takes no snapshot of a read replica
		f.stores.mu.Lock()
		f.stores.snapshots = append(f.stores.snapshots, f.rds.snapshotOf(p, r.SnapshotID))
		f.stores.mu.Unlock()
	}
	return nil
}
