# The commands of this project. `make` lists them.

GO ?= go
LINT = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# The tools that the tests require; scripts/setup installs missing ones.
TOOLS = postgres,redis,redis-server,moto_server,cfn-lint,aws,curl,python3,qemu-aarch64-static,chromium,iam-simulate,clients-node$(ACCOUNTS)
# Tests that act as other users of the machine need root. In CI they are required.
ACCOUNTS = $(if $(CI),$(comma)accounts)
comma = ,
ENVIRONMENT = PATH="$(CURDIR)/.streamctl/tools/bin:$$PATH" STREAMCTL_TEST_MUST_RUN=$(TOOLS)

# Packages that are tested at a time: one more than CPUs, because many tests wait for
# timeouts, servers and child processes.
PACKAGES = $$(($$(getconf _NPROCESSORS_ONLN) + 1))

# `make bench` collects the figures of the benchmarks here.
RESULTS = $(CURDIR)/.streamctl/bench.jsonl
PEERS = $(CURDIR)/.streamctl/tools/peers
MEASURE = $(ENVIRONMENT) STREAMCTL_BENCH_RESULTS=$(RESULTS) STREAMCTL_BENCH_CDK=$(CURDIR)/.streamctl/tools/cdk STREAMCTL_BENCH_PEERS=$(PEERS) $(GO) test -run '^$$' -timeout 20m

# All packages with benchmarks.
BENCHMARKS = $$(grep -rl --include='*_test.go' '^func Benchmark' cmd functions internal | xargs -n 1 dirname | sort -u | sed 's|^|./|')

.DEFAULT_GOAL := help
.PHONY: help demo demo-deploy test check lint race fuzz build golden bench chaos scale release release-check setup

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

demo: ## run the platform on this machine, with generated traffic and a dashboard
	@GO="$(GO)" scripts/demo

demo-deploy: setup ## deploy a stack to a stand-in for AWS, send an event, find it, destroy the stack
	$(ENVIRONMENT) $(GO) run ./internal/testkit/suites/demo

test: setup ## run all tests, and every benchmark once; install missing tools first
	$(ENVIRONMENT) $(GO) test -p $(PACKAGES) -timeout 20m ./...
	$(ENVIRONMENT) $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 8m $(BENCHMARKS)

check: setup lint race ## check format, vet, lint, golden files, and tests with the race detector
	@test -z "$$(gofmt -l .)" || { echo "gofmt: $$(gofmt -l .)"; exit 1; }

lint: ## run the linters, and report dead code and unclear phrases
	$(GO) vet ./...
	$(LINT) run ./...
	@GO="$(GO)" scripts/deadcode
	@$(GO) run ./internal/testkit/prose/lint
	$(GO) run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 .github/workflows/*.yml docs/examples/github-workflow.yml

race: setup ## run all tests with the race detector
	$(ENVIRONMENT) $(GO) test -race -timeout 30m ./...

fuzz: ## run each fuzz target for FUZZTIME (default: 60s)
	@GO="$(GO)" scripts/fuzz

build: ## build bin/streamctl, linked statically
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/streamctl ./cmd/streamctl

golden: ## rewrite the golden files
	$(GO) test ./internal/config ./internal/template ./internal/cli -run 'Golden|TestScripts' -update

bench: setup ## measure speed, memory and sizes, compare them with the goals, and write docs/performance.md
	@mkdir -p .streamctl && rm -f $(RESULTS)
	npm install --no-audit --no-fund --silent --prefix .streamctl/tools/cdk aws-cdk-lib@2.276.0 aws-cdk@2.1148.1 constructs@10
	cd internal/testkit/peers/benthos && $(GO) build -o $(PEERS)/benthos .
	GOBIN=$(PEERS) $(GO) install -tags custom,inputs.file,outputs.postgresql,parsers.json github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
	$(MEASURE) -bench 'Render|Init' -benchtime 21x ./internal/testkit/suites/measure
	$(MEASURE) -bench 'Build|Synth' -benchtime 5x ./internal/testkit/suites/measure
	STREAMCTL_BENCH_QUERY_EVENTS=200000 $(MEASURE) -bench 'Processor|Shards|Growth|Archiver|Query|WriteKeys' -benchtime 7x ./internal/testkit/suites/measure
	STREAMCTL_BENCH_PEER_EVENTS=50000 $(MEASURE) -bench Peers -benchtime 5x ./internal/testkit/suites/measure
	STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-100000} $(MEASURE) -bench 'Empty' -benchtime 5x ./internal/testkit/suites/measure
	STREAMCTL_BENCH_EVENTS=$${STREAMCTL_BENCH_EVENTS:-100000} $(MEASURE) -bench 'Local' -benchtime 5x ./internal/testkit/suites/measure
	$(MEASURE) -bench NoChange -benchtime 7x ./internal/testkit/suites/e2e
	$(MEASURE) -bench Replay -benchtime 5x ./internal/testkit/suites/jobs
	$(MEASURE) -bench Ingest -benchtime 21x ./functions/ingest
	STREAMCTL_INSIGHT_EVENTS=$${STREAMCTL_INSIGHT_EVENTS:-10000000} $(MEASURE) -timeout 60m -bench 'Questions|Loads' -benchtime 1x ./internal/testkit/suites/insights
	$(ENVIRONMENT) $(GO) run ./internal/testkit/bench/page -results $(RESULTS)

chaos: setup ## crash the platform and `local` a thousand times; no event may be lost or counted twice
	$(ENVIRONMENT) STREAMCTL_CHAOS_RUNS=$${STREAMCTL_CHAOS_RUNS:-1000} $(GO) test -v -timeout 4h -run TestNothingLostNothingTwice ./internal/testkit/suites/chaos
	$(ENVIRONMENT) STREAMCTL_DAMAGE_SEEDS=$${STREAMCTL_DAMAGE_SEEDS:-500} $(GO) test -v -timeout 30m -run TestDamagedFiles ./internal/local
	$(ENVIRONMENT) STREAMCTL_LOCAL_RUNS=$${STREAMCTL_LOCAL_RUNS:-20} $(GO) test -v -timeout 60m -run TestLocalBroken ./internal/testkit/suites/localrun
	$(ENVIRONMENT) STREAMCTL_DAMAGE_SEEDS=$${STREAMCTL_DAMAGE_SEEDS:-500} $(GO) test -v -timeout 60m -run TestDamagedPostgresFiles ./internal/local/pgserver
	$(ENVIRONMENT) STREAMCTL_FIRST_STARTS=$${STREAMCTL_FIRST_STARTS:-30} $(GO) test -v -timeout 30m -run TestInterruptedFirstStart ./internal/testkit/suites/localrun

scale: setup ## empty buckets of 100,000 versions (STREAMCTL_SCALE_VERSIONS) during writes, compare with boto3; load during a query of 15 minutes
	$(ENVIRONMENT) STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-100000} $(GO) test -v -count=1 -timeout 30m -run 'WhileWritten|TestEmpty' ./internal/deploy/...
	$(ENVIRONMENT) STREAMCTL_SCALE_VERSIONS=$${STREAMCTL_SCALE_VERSIONS:-100000} $(GO) test -run '^$$' -bench 'Empty' -benchtime 1x -timeout 60m ./internal/testkit/suites/measure
	$(ENVIRONMENT) STREAMCTL_LONG_QUERY=15m $(GO) test -v -count=1 -timeout 30m -run LongQuery ./internal/warehouse

release: ## build dist/: archives and packages for all platforms, with the functions inside; publish nothing
	@GO="$(GO)" scripts/release

release-check: setup ## run the program of `make release` in an empty folder, without Go: against the stand-in for AWS, and local
	$(ENVIRONMENT) $(GO) run ./internal/testkit/suites/released -program dist/streamctl_$$($(GO) env GOOS)_$$($(GO) env GOARCH)_*/streamctl

setup: ## install missing tools of the demo and the tests
	@scripts/setup
