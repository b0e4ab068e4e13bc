# The commands of this project. `make` lists them.

GO ?= go
LINT = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# What has to be there for the tests; scripts/setup gets what is missing.
TOOLS = postgres,redis,redis-server,moto_server,cfn-lint,aws,curl,qemu-aarch64-static,chromium$(ACCOUNTS)
# Tests that act as other users of the machine need root. CI fails without them.
ACCOUNTS = $(if $(CI),$(comma)accounts)
comma = ,
ENVIRONMENT = PATH="$(CURDIR)/.streamctl/tools/bin:$$PATH" STREAMCTL_TEST_MUST_RUN=$(TOOLS)

# The packages with benchmarks, wherever there are any.
BENCHMARKS = $$(grep -rl --include='*_test.go' '^func Benchmark' cmd functions internal | xargs -n 1 dirname | sort -u | sed 's|^|./|')

.DEFAULT_GOAL := help
.PHONY: help demo demo-deploy test check lint race fuzz build golden bench chaos scale release setup

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: ## run the platform on this machine, with traffic and a dashboard
	@began=$$(date +%s); scripts/setup local && $(MAKE) --no-print-directory build && DEMO_BEGAN=$$began $(GO) run ./internal/testkit/suites/demolocal

demo-deploy: setup ## run a stack's whole life against a stand-in for AWS: deploy, send an event, find it, destroy
	$(ENVIRONMENT) $(GO) run ./internal/testkit/suites/demo

test: setup ## run all tests with what they need set up, and every benchmark once
	$(ENVIRONMENT) $(GO) test -timeout 20m ./...
	$(ENVIRONMENT) $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 8m $(BENCHMARKS)

check: setup lint race ## format, vet, lint, tests with the race detector, golden files up to date
	@test -z "$$(gofmt -l .)" || { echo "gofmt: $$(gofmt -l .)"; exit 1; }

lint: ## run the linters, and report dead code
	$(GO) vet ./...
	$(LINT) run ./...
	@GO="$(GO)" scripts/deadcode

race: setup ## run all tests with the race detector
	$(ENVIRONMENT) $(GO) test -race -timeout 30m ./...

fuzz: ## run each fuzz target for FUZZTIME (60s)
	@GO="$(GO)" scripts/fuzz

build: ## build bin/streamctl
	$(GO) build -trimpath -tags lambda.norpc -ldflags '-s -w' -o bin/streamctl ./cmd/streamctl

golden: ## rewrite the golden files
	$(GO) test ./internal/template ./internal/cli -run 'Golden|TestScripts' -update

bench: setup ## measure starts, memory, sizes and the path of events beside their aims
	$(GO) test -run '^$$' -bench 'Zips|Init|Render' -benchtime 21x -timeout 10m ./internal/testkit/suites/measure
	$(ENVIRONMENT) $(GO) test -run '^$$' -bench 'Processor|TenShards|Archiver' -benchtime 5x -timeout 10m ./internal/testkit/suites/measure
	$(ENVIRONMENT) STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-10000} $(GO) test -run '^$$' -bench 'Empty' -benchtime 1x -timeout 10m ./internal/testkit/suites/measure
	$(ENVIRONMENT) STREAMCTL_BENCH_EVENTS=$${STREAMCTL_BENCH_EVENTS:-600000} $(GO) test -run '^$$' -bench 'Local' -benchtime 1x -timeout 10m ./internal/testkit/suites/measure
	$(ENVIRONMENT) $(GO) test -run '^$$' -bench NoChange -benchtime 7x -timeout 10m ./internal/testkit/suites/e2e
	$(GO) test -run '^$$' -bench Batch -benchtime 2s -timeout 10m ./functions/ingest

chaos: setup ## break everything a thousand times, and `local` and its files: nothing lost, nothing counted twice
	$(ENVIRONMENT) STREAMCTL_CHAOS_RUNS=$${STREAMCTL_CHAOS_RUNS:-1000} $(GO) test -v -timeout 4h -run TestNothingLostNothingTwice ./internal/testkit/suites/chaos
	$(ENVIRONMENT) STREAMCTL_DAMAGE_SEEDS=$${STREAMCTL_DAMAGE_SEEDS:-500} $(GO) test -v -timeout 30m -run TestDamagedFiles ./internal/local
	$(ENVIRONMENT) STREAMCTL_LOCAL_RUNS=$${STREAMCTL_LOCAL_RUNS:-20} $(GO) test -v -timeout 60m -run TestLocalBroken ./internal/testkit/suites/localrun
	$(ENVIRONMENT) STREAMCTL_DAMAGE_SEEDS=$${STREAMCTL_DAMAGE_SEEDS:-500} $(GO) test -v -timeout 60m -run TestDamagedPostgresFiles ./internal/local/pgserver
	$(ENVIRONMENT) STREAMCTL_FIRST_STARTS=$${STREAMCTL_FIRST_STARTS:-30} $(GO) test -v -timeout 30m -run TestInterruptedFirstStart ./internal/testkit/suites/localrun

scale: setup ## empty buckets of 100,000 versions (STREAMCTL_SCALE_VERSIONS) while they are written, and beside boto3
	$(ENVIRONMENT) STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-100000} $(GO) test -v -count=1 -timeout 30m -run 'WhileWritten|TestEmpty' ./internal/deploy/...
	$(ENVIRONMENT) STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-100000} $(GO) test -run '^$$' -bench 'Empty' -benchtime 1x -timeout 60m ./internal/testkit/suites/measure

release: ## build dist/streamctl with the functions inside
	scripts/release

setup: ## get what demo and tests need, where it is missing
	@scripts/setup
