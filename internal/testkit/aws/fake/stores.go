package fake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamctl/streamctl/internal/local/sigv4"
	"github.com/streamctl/streamctl/internal/testkit/servers/testca"
)

// DatabaseSpec describes a database to start.
type DatabaseSpec struct {
	// ID is the instance's identifier, Dir its own folder.
	ID, Dir string
	// Source is the database that a read replica copies; nil for other
	// databases. A replica has none of the next three fields.
	Source Database
	// MasterUsername, MasterPassword and DBName are the instance's properties.
	MasterUsername, MasterPassword, DBName string
	// ResourceARN is the resource of rds-db:connect, without the user.
	ResourceARN string
	Region      string
	CA          *testca.CA
	Keys        *sigv4.Keys
	// Login receives every login attempt.
	Login func(Login)
}

// Database is a running database with its endpoint.
type Database interface {
	// Endpoint returns the address for clients, with TLS.
	Endpoint() (host string, port int)
	SetMasterPassword(ctx context.Context, password string) error
	Stop(ctx context.Context) error
}

// DatabaseBackend starts the server of an AWS::RDS::DBInstance.
type DatabaseBackend func(ctx context.Context, spec DatabaseSpec) (Database, error)

// CacheUser is an AWS::ElastiCache::User in the cache's user group.
type CacheUser struct {
	ID, Name, AccessString string
}

// CacheSpec describes a cache to start.
type CacheSpec struct {
	// ID is the replication group's id, Dir its own folder.
	ID, Dir string
	Users   []CacheUser
	Region  string
	CA      *testca.CA
	Keys    *sigv4.Keys
	Login   func(Login)
}

// Cache is a running cache with its endpoint.
type Cache interface {
	Endpoint() (host string, port int)
	// SetUsers replaces the users and their permissions.
	SetUsers(ctx context.Context, users []CacheUser) error
	Stop(ctx context.Context) error
}

// CacheBackend starts the server of an AWS::ElastiCache::ReplicationGroup.
type CacheBackend func(ctx context.Context, spec CacheSpec) (Cache, error)

// Login is a login attempt at a database or a cache.
type Login struct {
	At time.Time
	// Store is the id of the instance or replication group.
	Store string
	User  string
	// Kind is "iam" or "password".
	Kind string
	// Principal is the holder of the key that signed an IAM token.
	Principal string
	OK        bool
	// Reason explains why a login was rejected.
	Reason string
}

// Snapshot is a final snapshot of a database.
type Snapshot struct {
	ID, Instance, ARN, Engine, KMSKeyID string
	Created                             time.Time
}

// stores are the running databases and caches, and their snapshots.
type stores struct {
	mu          sync.Mutex
	databases   map[string]Database
	caches      map[string]Cache
	snapshots   []Snapshot
	phases      map[string][]phase // of instances
	backups     []string           // automated ones that outlive their instance
	pendingKeys map[string]time.Time
	logins      []Login
}

func newStores() *stores {
	return &stores{databases: map[string]Database{}, caches: map[string]Cache{}, phases: map[string][]phase{}, pendingKeys: map[string]time.Time{}}
}

func (s *stores) login(l Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins = append(s.logins, l)
}

// Logins lists every login attempt at databases and caches, oldest first.
func (f Inventory) Logins() []Login {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	return append([]Login(nil), f.stores.logins...)
}

// Database returns a running database by its instance's physical id, for
// inspection by tests.
func (f Inventory) Database(id string) (Database, bool) {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	d, ok := f.stores.databases[id]
	return d, ok
}

// Cache returns a running cache by its replication group's id.
func (f Inventory) Cache(id string) (Cache, bool) {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	c, ok := f.stores.caches[id]
	return c, ok
}

// Snapshots lists the databases' final snapshots.
func (f Inventory) Snapshots() []Snapshot {
	f.stores.mu.Lock()
	defer f.stores.mu.Unlock()
	return append([]Snapshot(nil), f.stores.snapshots...)
}

func (s *stores) stopDatabase(ctx context.Context, id string) error {
	s.mu.Lock()
	db := s.databases[id]
	delete(s.databases, id)
	s.mu.Unlock()
	if db == nil {
		return nil
	}
	if err := db.Stop(ctx); err != nil {
		return fmt.Errorf("stop database %s: %w", id, err)
	}
	return nil
}

func (s *stores) stopCache(ctx context.Context, id string) error {
	s.mu.Lock()
	c := s.caches[id]
	delete(s.caches, id)
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := c.Stop(ctx); err != nil {
		return fmt.Errorf("stop cache %s: %w", id, err)
	}
	return nil
}

// stopAll stops every store; it takes up to ten seconds.
func (s *stores) stopAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s.mu.Lock()
	var databases, caches []string
	for id := range s.databases {
		databases = append(databases, id)
	}
	for id := range s.caches {
		caches = append(caches, id)
	}
	s.mu.Unlock()
	var errs []error
	for _, id := range databases {
		errs = append(errs, s.stopDatabase(ctx, id))
	}
	for _, id := range caches {
		errs = append(errs, s.stopCache(ctx, id))
	}
	return errors.Join(errs...)
}
