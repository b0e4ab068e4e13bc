package template

import (
	"github.com/awslabs/goformation/v7/cloudformation/elasticache"

	"github.com/streamctl/streamctl/internal/config"
)

// cacheUserName is both the id and the name of the cache's only user; IAM
// authentication requires them to be equal.
func cacheUserName() string {
	return SubWith("sc-${Id}", map[string]string{"Id": stackGUID()})
}

func (t *Template) addCache(v config.Variables) {
	t.group("Cache")
	t.add(idCacheSubnet, &elasticache.SubnetGroup{Description: "Private subnets of the cache", SubnetIds: subnetRefs(v)})
	t.add(idCacheParams, &elasticache.ParameterGroup{
		CacheParameterGroupFamily: "valkey8",
		Description:               "Metrics cache",
		Properties:                map[string]string{"maxmemory-policy": "volatile-ttl"},
	})
	t.add(idCacheUser, &elasticache.User{
		UserId:             cacheUserName(),
		UserName:           cacheUserName(),
		Engine:             "valkey",
		AccessString:       new("on ~m:* ~u:* ~meta:* resetchannels -@all +@read +@write +@scripting +@connection -@dangerous"),
		AuthenticationMode: &elasticache.User_AuthenticationMode{Type: "iam"},
	})
	t.add(idCacheUserGroup, &elasticache.UserGroup{
		UserGroupId: Ref(idCacheUser), // its id is as unique as the user's
		Engine:      "valkey",
		UserIds:     []string{Ref(idCacheUser)},
	})
	failover := v.CacheNodes > 1
	t.add(idCache, &elasticache.ReplicationGroup{
		ReplicationGroupDescription: "Metrics cache",
		Engine:                      new("valkey"),
		EngineVersion:               new("8.0"),
		CacheNodeType:               new(v.CacheNodeType),
		NumCacheClusters:            new(v.CacheNodes),
		AutomaticFailoverEnabled:    new(failover),
		MultiAZEnabled:              new(failover),
		AutoMinorVersionUpgrade:     new(true),
		AtRestEncryptionEnabled:     new(true),
		KmsKeyId:                    new(GetAtt(idKey, "Arn")),
		TransitEncryptionEnabled:    new(true),
		Port:                        new(redisPort),
		CacheParameterGroupName:     new(Ref(idCacheParams)),
		CacheSubnetGroupName:        new(Ref(idCacheSubnet)),
		SecurityGroupIds:            []string{Ref(idCacheGroup)},
		UserGroupIds:                []string{Ref(idCacheUserGroup)},
		Tags:                        labels(),

		AWSCloudFormationDeletionPolicy:      deletePolicy,
		AWSCloudFormationUpdateReplacePolicy: snapshotOld,
	})
}
