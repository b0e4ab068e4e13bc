// Command benthos is Benthos with the parts that the comparison in docs/performance.md
// uses. It is a module of its own, so that the project does not depend on Benthos.
package main

import (
	"context"

	"github.com/benthosdev/benthos/v4/public/service"

	_ "github.com/benthosdev/benthos/v4/public/components/io"
	_ "github.com/benthosdev/benthos/v4/public/components/pure"
	_ "github.com/benthosdev/benthos/v4/public/components/sql/base"
	_ "github.com/lib/pq"
)

func main() { service.RunCLI(context.Background()) }
