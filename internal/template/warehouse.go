package template

import (
	"strconv"

	"github.com/awslabs/goformation/v7/cloudformation/rds"

	"github.com/streamctl/streamctl/internal/config"
	"github.com/streamctl/streamctl/internal/contract"
)

func (t *Template) addWarehouse(v config.Variables) {
	t.group("Warehouse")
	t.add(idDatabaseSubnet, &rds.DBSubnetGroup{
		DBSubnetGroupDescription: "Private subnets of the warehouse",
		SubnetIds:                subnetRefs(v),
	})
	t.add(idDatabaseParams, &rds.DBParameterGroup{
		Family:      config.EngineFamily(v.DatabaseEngineVersion),
		Description: "Warehouse",
		Parameters: map[string]string{
			"rds.force_ssl":              "1",
			"log_min_duration_statement": "1000",
			// In KiB, a tenth of the storage for each session: SQL users have five.
			"temp_file_limit": itoa(v.DatabaseStorageGiB << 20 / 10),
		},
	})
	onDelete := deletePolicy
	if v.HoldsData() {
		onDelete = snapshot
	}
	database := &rds.DBInstance{
		Engine:                          new("postgres"),
		EngineVersion:                   new(v.DatabaseEngineVersion),
		AutoMinorVersionUpgrade:         new(true),
		AllowMajorVersionUpgrade:        new(true), // for a changed DatabaseEngineVersion
		DBInstanceClass:                 new(Ref(paramClass)),
		DBName:                          new(contract.DatabaseName),
		MasterUsername:                  new(Ref(paramUsername)),
		MasterUserPassword:              new(Ref(paramPassword)),
		EnableIAMDatabaseAuthentication: new(true),
		CACertificateIdentifier:         new("rds-ca-rsa2048-g1"),
		StorageType:                     new("gp3"),
		AllocatedStorage:                new(strconv.Itoa(v.DatabaseStorageGiB)),
		StorageEncrypted:                new(true),
		KmsKeyId:                        new(GetAtt(idKey, "Arn")),
		MultiAZ:                         new(v.DatabaseMultiAz),
		BackupRetentionPeriod:           new(v.BackupRetentionDays),
		CopyTagsToSnapshot:              new(true),
		DeletionProtection:              new(v.DatabaseDeletionProtection),
		PubliclyAccessible:              new(false),
		DBSubnetGroupName:               new(Ref(idDatabaseSubnet)),
		DBParameterGroupName:            new(Ref(idDatabaseParams)),
		VPCSecurityGroups:               []string{Ref(idDatabaseGroup)},
		Tags:                            labels(),
		// W1011: a dynamic reference doesn't change with the parameter, so RDS
		// would keep the old password. W3691: a major version survives automatic
		// minor upgrades.
		AWSCloudFormationMetadata: map[string]any{
			"cfn-lint": map[string]any{"config": map[string]any{"ignore_checks": []string{"W1011", "W3691"}}},
		},
		AWSCloudFormationDeletionPolicy:      onDelete,
		AWSCloudFormationUpdateReplacePolicy: snapshotOld,
	}
	if v.DatabaseMaxStorageGiB > 0 {
		database.MaxAllocatedStorage = new(v.DatabaseMaxStorageGiB)
	}
	// Extended support of an old version would cost extra.
	t.add(idDatabase, with(database, map[string]any{"EngineLifecycleSupport": "open-source-rds-extended-support-disabled"}))
	for n := range v.ReadReplicas {
		t.add(replicaID(n), &rds.DBInstance{
			MaxAllocatedStorage:                  database.MaxAllocatedStorage, // a full database stops
			SourceDBInstanceIdentifier:           new(Ref(idDatabase)),
			DBInstanceClass:                      new(Ref(paramClass)),
			AutoMinorVersionUpgrade:              new(true),
			CACertificateIdentifier:              new("rds-ca-rsa2048-g1"),
			CopyTagsToSnapshot:                   new(true),
			EnableIAMDatabaseAuthentication:      new(true),
			PubliclyAccessible:                   new(false),
			VPCSecurityGroups:                    []string{Ref(idDatabaseGroup)},
			Tags:                                 labels(),
			AWSCloudFormationDeletionPolicy:      deletePolicy, // it has only copies of the database's data
			AWSCloudFormationUpdateReplacePolicy: "Delete",
		})
	}
}

func replicaID(n int) string { return "DatabaseReplica" + itoa(n+1) }
