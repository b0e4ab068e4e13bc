package fake

import (
	"fmt"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// rdsKinds declares Amazon RDS' types.
func rdsKinds() map[string]kind {
	return map[string]kind{
		"AWS::RDS::DBInstance": {
			Kind: cfn.Kind{
				CreateOnly: []string{"DBInstanceIdentifier", "DBName", "MasterUsername", "KmsKeyId", "StorageEncrypted", "DBSubnetGroupName", "BackupTarget", "CharacterSetName", "Timezone", "SourceRegion"},
				Conditional: []string{"Engine", "StorageType", "MultiAZ", "AvailabilityZone", "BackupRetentionPeriod", "DBParameterGroupName", "DBSnapshotIdentifier", "SourceDBInstanceIdentifier",
					"AutoMinorVersionUpgrade", "PreferredMaintenanceWindow", "PerformanceInsightsKMSKeyId"},
				Snapshot: true, DefaultPolicy: "Snapshot",
			},
			id: lower("DBInstanceIdentifier", 63), check: checkDatabase, create: createDatabase, update: updateDatabase, remove: removeDatabase,
			attributes: map[string]string{
				"DBInstanceArn": "arn:aws:rds:{region}:{account}:db:{id}", "Endpoint.Address": "", "Endpoint.Port": "", "DbiResourceId": "",
				"Endpoint.HostedZoneId": "", "MasterUserSecret.SecretArn": "",
			},
		},
		"AWS::RDS::DBSubnetGroup": {
			Kind: cfn.Kind{Required: []string{"DBSubnetGroupDescription", "SubnetIds"}, CreateOnly: []string{"DBSubnetGroupName"}},
			id:   lower("DBSubnetGroupName", 255), check: checkSubnetGroup, remove: unusedBy("AWS::RDS::DBInstance", "DBSubnetGroupName"),
		},
		"AWS::RDS::DBParameterGroup": {
			Kind: cfn.Kind{Required: []string{"Family", "Description"}, CreateOnly: []string{"Family", "Description", "DBParameterGroupName"}},
			id:   lower("DBParameterGroupName", 255), remove: unusedBy("AWS::RDS::DBInstance", "DBParameterGroupName"),
			attributes: map[string]string{"DBParameterGroupName": "{id}"},
		},
	}
}

// checkSubnetGroup requires existing subnets, in at least two zones for RDS.
func checkSubnetGroup(f *account, r cfn.Request) error {
	zones := map[string]bool{}
	for _, id := range items(r.Properties, "SubnetIds") {
		subnet, ok := f.registry.find("AWS::EC2::Subnet", id)
		if !ok {
			return cfn.Reasonf("The subnet ID '%s' does not exist", id)
		}
		zones[str(subnet.props, "AvailabilityZone")] = true
	}
	if r.Type == "AWS::RDS::DBSubnetGroup" && len(zones) < 2 {
		return handlerError("Rds", 400, "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "+fmt.Sprint(len(zones))+". Add subnets to cover at least 2 AZs.", "InvalidRequest")
	}
	return nil
}
