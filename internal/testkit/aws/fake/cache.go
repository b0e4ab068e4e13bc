package fake

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/streamctl/streamctl/internal/testkit/aws/fake/cfn"
)

func checkCache(f *account, r cfn.Request) error {
	p := r.Properties
	refuse := func(message string) error { return handlerError("ElastiCache", 400, message, "InvalidRequest") }
	nodes := number(p, "NumCacheClusters", 1)
	switch {
	case flag(p, "AutomaticFailoverEnabled") && nodes < 2:
		return refuse("Automatic failover is not supported for replication groups with a single cache cluster.")
	case flag(p, "MultiAZEnabled") && !flag(p, "AutomaticFailoverEnabled"):
		return refuse("Must enable Automatic Failover when Multi-AZ is enabled.")
	case str(p, "Engine") == "valkey" && str(p, "TransitEncryptionEnabled") == "":
		return refuse("TransitEncryptionEnabled must be specified when engine is valkey.")
	case len(items(p, "UserGroupIds")) > 0 && !flag(p, "TransitEncryptionEnabled"):
		return refuse("User group based access control requires encryption-in-transit to be enabled on the replication group.")
	}
	for _, id := range items(p, "UserGroupIds") {
		if _, ok := f.registry.find("AWS::ElastiCache::UserGroup", id); !ok {
			return handlerError("ElastiCache", 404, "User group "+id+" not found.", "NotFound")
		}
	}
	return nil
}

// cacheUsers returns the users of a replication group's user groups.
func (f elastiCacheAPI) cacheUsers(props map[string]any) []CacheUser {
	var out []CacheUser
	for _, groupID := range items(props, "UserGroupIds") {
		group, ok := f.registry.find("AWS::ElastiCache::UserGroup", groupID)
		if !ok {
			continue
		}
		for _, id := range items(group.props, "UserIds") {
			if user, ok := f.registry.find("AWS::ElastiCache::User", id); ok {
				out = append(out, CacheUser{ID: id, Name: str(user.props, "UserName"), AccessString: str(user.props, "AccessString")})
			}
		}
	}
	return out
}

func createCache(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	host, port := "127.0.0.1", closedPort
	if f.options.Caches != nil {
		c, err := f.options.Caches(ctx, CacheSpec{
			ID: r.PhysicalID, Dir: filepath.Join(f.options.Dir, r.PhysicalID), Users: f.elasticache.cacheUsers(r.Properties),
			Region: f.options.Region, CA: f.ca, Keys: f.keys,
			Login: func(l Login) {
				f.stores.login(l)
				if l.Principal != "" {
					f.rds.recordLogin(l, "elasticache", "Connect", f.arn("elasticache", "replicationgroup:"+r.PhysicalID))
					f.rds.recordLogin(l, "elasticache", "Connect", f.arn("elasticache", "user:"+l.User))
				}
			},
		})
		if err != nil {
			return nil, fmt.Errorf("start cache: %w", err)
		}
		f.stores.mu.Lock()
		f.stores.caches[r.PhysicalID] = c
		f.stores.mu.Unlock()
		host, port = c.Endpoint()
	}
	return map[string]any{
		"PrimaryEndPoint.Address": host, "PrimaryEndPoint.Port": fmt.Sprint(port),
		"ReaderEndPoint.Address": host, "ReaderEndPoint.Port": fmt.Sprint(port),
		"ReadEndPoint.Addresses": []any{host}, "ReadEndPoint.Ports": []any{fmt.Sprint(port)},
	}, nil
}

func updateCache(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	f.stores.mu.Lock()
	c := f.stores.caches[r.PhysicalID]
	f.stores.mu.Unlock()
	if c == nil {
		return nil, nil
	}
	return nil, c.SetUsers(ctx, f.elasticache.cacheUsers(r.Properties))
}

// updateCacheUser passes a user's new access string to every cache that uses
// it.
func updateCacheUser(ctx context.Context, f *account, r cfn.Request) (map[string]any, error) {
	for _, group := range f.registry.list("AWS::ElastiCache::ReplicationGroup") {
		users := f.elasticache.cacheUsers(group.props)
		i := slices.IndexFunc(users, func(u CacheUser) bool { return u.ID == r.PhysicalID })
		f.stores.mu.Lock()
		c := f.stores.caches[group.id]
		f.stores.mu.Unlock()
		if i < 0 || c == nil {
			continue
		}
		users[i].AccessString = str(r.Properties, "AccessString")
		if err := c.SetUsers(ctx, users); err != nil {
			return nil, fmt.Errorf("change cache user: %w", err)
		}
	}
	return nil, nil
}

func removeCache(ctx context.Context, f *account, r cfn.Request) error {
	return f.stores.stopCache(ctx, r.PhysicalID)
}
