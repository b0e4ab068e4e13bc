package fake

import (
	"context"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

// elastiCacheKinds declares ElastiCache's types.
func elastiCacheKinds() map[string]kind {
	return map[string]kind{
		"AWS::ElastiCache::ReplicationGroup": {
			Kind: cfn.Kind{Snapshot: true},
			id:   lower("ReplicationGroupId", 40), check: checkCache, create: createCache, update: updateCache, remove: removeCache,
			attributes: map[string]string{
				"PrimaryEndPoint.Address": "", "PrimaryEndPoint.Port": "", "ReaderEndPoint.Address": "", "ReaderEndPoint.Port": "",
				"ReadEndPoint.Addresses": "", "ReadEndPoint.Ports": "", "ConfigurationEndPoint.Address": "", "ConfigurationEndPoint.Port": "",
			},
		},
		"AWS::ElastiCache::SubnetGroup": {
			id: lower("CacheSubnetGroupName", 255), check: checkSubnetGroup, remove: unusedBy("AWS::ElastiCache::ReplicationGroup", "CacheSubnetGroupName"),
		},
		"AWS::ElastiCache::ParameterGroup": {
			id: lower("CacheParameterGroupName", 255), remove: unusedBy("AWS::ElastiCache::ReplicationGroup", "CacheParameterGroupName"),
			attributes: map[string]string{"CacheParameterGroupName": "{id}"},
		},
		"AWS::ElastiCache::User": {
			id: named("UserId", 40), check: checkCacheUser, update: updateCacheUser, remove: removeCacheUser,
			attributes: map[string]string{"Arn": "arn:aws:elasticache:{region}:{account}:user:{id}", "Status": "active"},
		},
		"AWS::ElastiCache::UserGroup": {
			id: named("UserGroupId", 40), check: checkUserGroup,
			attributes: map[string]string{"Arn": "arn:aws:elasticache:{region}:{account}:usergroup:{id}", "Status": "active"},
		},
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

// removeCacheUser rejects the deletion of a user that is in a group.
func removeCacheUser(_ context.Context, f *account, r cfn.Request) error {
	for _, group := range f.registry.list("AWS::ElastiCache::UserGroup") {
		if slices.Contains(items(group.props, "UserIds"), r.PhysicalID) {
			return handlerError("ElastiCache", 400, "User "+r.PhysicalID+" is associated with user group "+group.id, "InvalidRequest")
		}
	}
	return nil
}
