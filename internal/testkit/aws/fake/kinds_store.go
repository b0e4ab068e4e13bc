package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// storeKinds declares what holds data: bucket, stream, database, cache.
func storeKinds() map[string]kind {
	return map[string]kind{
		"AWS::S3::Bucket": {
			Kind: cfn.Kind{CreateOnly: []string{"BucketName", "BucketNamePrefix", "BucketNamespace"}, Conditional: []string{"ObjectLockEnabled"}},
			id:   lower("BucketName", 63), check: checkBucket, create: createBucket, update: updateBucket, remove: removeBucket,
			attributes: map[string]string{
				"Arn": "arn:aws:s3:::{id}", "DomainName": "{id}.s3.amazonaws.com", "RegionalDomainName": "{id}.s3.{region}.amazonaws.com",
				"DualStackDomainName": "{id}.s3.dualstack.{region}.amazonaws.com", "WebsiteURL": "http://{id}.s3-website-{region}.amazonaws.com",
			},
		},
		"AWS::S3::BucketPolicy": {
			Kind: cfn.Kind{Required: []string{"Bucket", "PolicyDocument"}, CreateOnly: []string{"Bucket"}}, id: named("Bucket", 63),
			check: func(f *account, r cfn.Request) error {
				if !slices.Contains(f.objects.Buckets(), str(r.Properties, "Bucket")) {
					return handlerError("S3", 404, "The specified bucket does not exist", "NotFound")
				}
				return f.objects.SetPolicy(str(r.Properties, "Bucket"), r.Properties["PolicyDocument"])
			},
			remove: func(_ context.Context, f *account, r cfn.Request) error {
				return f.objects.SetPolicy(str(r.Properties, "Bucket"), nil)
			},
		},
		"AWS::Kinesis::Stream": {
			Kind: cfn.Kind{CreateOnly: []string{"Name"}}, id: named("Name", 128), check: checkStream,
			create: createStream, update: updateStream, remove: removeStream,
			attributes: map[string]string{"Arn": "arn:aws:kinesis:{region}:{account}:stream/{id}"},
		},
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
		"AWS::ElastiCache::ReplicationGroup": {
			Kind: cfn.Kind{
				Required: []string{"ReplicationGroupDescription"},
				CreateOnly: []string{"ReplicationGroupId", "CacheSubnetGroupName", "AtRestEncryptionEnabled", "KmsKeyId", "Port", "NetworkType", "PreferredCacheClusterAZs",
					"ReplicasPerNodeGroup", "SnapshotName", "SnapshotArns", "DataTieringEnabled", "GlobalReplicationGroupId"},
				Conditional: []string{"AuthToken", "NodeGroupConfiguration"}, Snapshot: true,
			},
			id: lower("ReplicationGroupId", 40), check: checkCache, create: createCache, update: updateCache, remove: removeCache,
			attributes: map[string]string{
				"PrimaryEndPoint.Address": "", "PrimaryEndPoint.Port": "", "ReaderEndPoint.Address": "", "ReaderEndPoint.Port": "",
				"ReadEndPoint.Addresses": "", "ReadEndPoint.Ports": "", "ConfigurationEndPoint.Address": "", "ConfigurationEndPoint.Port": "",
			},
		},
		"AWS::ElastiCache::SubnetGroup": {
			Kind: cfn.Kind{Required: []string{"Description", "SubnetIds"}, CreateOnly: []string{"CacheSubnetGroupName"}},
			id:   lower("CacheSubnetGroupName", 255), check: checkSubnetGroup, remove: unusedBy("AWS::ElastiCache::ReplicationGroup", "CacheSubnetGroupName"),
		},
		"AWS::ElastiCache::ParameterGroup": {
			Kind: cfn.Kind{Required: []string{"CacheParameterGroupFamily", "Description"}, CreateOnly: []string{"CacheParameterGroupFamily"}},
			id:   lower("CacheParameterGroupName", 255), remove: unusedBy("AWS::ElastiCache::ReplicationGroup", "CacheParameterGroupName"),
			attributes: map[string]string{"CacheParameterGroupName": "{id}"},
		},
		"AWS::ElastiCache::User": {
			Kind: cfn.Kind{Required: []string{"UserId", "UserName", "Engine"}, CreateOnly: []string{"UserId", "UserName"}},
			id:   named("UserId", 40), check: checkCacheUser, update: updateCacheUser, remove: removeCacheUser,
			attributes: map[string]string{"Arn": "arn:aws:elasticache:{region}:{account}:user:{id}", "Status": "active"},
		},
		"AWS::ElastiCache::UserGroup": {
			Kind: cfn.Kind{Required: []string{"UserGroupId", "Engine", "UserIds"}, CreateOnly: []string{"UserGroupId"}},
			id:   named("UserGroupId", 40), check: checkUserGroup,
			attributes: map[string]string{"Arn": "arn:aws:elasticache:{region}:{account}:usergroup:{id}", "Status": "active"},
		},
	}
}

// checkSubnetGroup wants subnets that exist, in two zones at least for RDS.
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

// unusedBy refuses to delete what a resource of another type still names.
func unusedBy(resourceType, property string) func(context.Context, *account, cfn.Request) error {
	return func(_ context.Context, f *account, r cfn.Request) error {
		for _, p := range f.registry.list(resourceType) {
			if str(p.props, property) == r.PhysicalID {
				return fmt.Errorf("%s is in use by %s", r.PhysicalID, p.id)
			}
		}
		return nil
	}
}

func checkCacheUser(_ *account, r cfn.Request) error {
	id, name := str(r.Properties, "UserId"), str(r.Properties, "UserName")
	if str(child(r.Properties, "AuthenticationMode"), "Type") == "iam" && id != name {
		return handlerError("ElastiCache", 400, "User Id and User name must be same for authentication type: iam", "InvalidRequest")
	}
	return nil
}

func checkUserGroup(f *account, r cfn.Request) error {
	hasDefault := false
	for _, id := range items(r.Properties, "UserIds") {
		user, ok := f.registry.find("AWS::ElastiCache::User", id)
		if !ok {
			return handlerError("ElastiCache", 404, "User "+id+" not found.", "NotFound")
		}
		hasDefault = hasDefault || str(user.props, "UserName") == "default"
	}
	if str(r.Properties, "Engine") == "redis" && !hasDefault {
		return handlerError("ElastiCache", 400, "User group needs to contain a user with the user name default.", "InvalidRequest")
	}
	return nil
}

// removeCacheUser takes a user out of the groups that name it.
func removeCacheUser(_ context.Context, f *account, r cfn.Request) error {
	for _, group := range f.registry.list("AWS::ElastiCache::UserGroup") {
		if slices.Contains(items(group.props, "UserIds"), r.PhysicalID) {
			return handlerError("ElastiCache", 400, "User "+r.PhysicalID+" is associated with user group "+group.id, "InvalidRequest")
		}
	}
	return nil
}

// validJSON says that a property's text, or the property itself, is JSON.
func validJSON(v any) bool {
	if s, ok := v.(string); ok {
		return json.Valid([]byte(s))
	}
	_, err := json.Marshal(v)
	return err == nil
}
