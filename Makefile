# make test installs the servers that the tests talk to (Debian, as root) and runs
# everything; make check runs what needs neither.

GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 3s

PREFIX ?= /usr/local

# All that is built without the race detector is built in the way of packaging/build, so that what
# the program imports is compiled once, by lint, for all of it: also for the copy of the project
# that .ci/examples makes, and for the programs that the tests build.
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)
lint house simulate corpus fuzz examples: export CGO_ENABLED = 0

.PHONY: build install release package-test test check servers packages built-servers lint house unit simulate corpus fuzz crashes examples soak bench mutants

build:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/dkimbot ./cmd/dkimbot

# Program, manual pages, completions, units, sample configuration. DESTDIR is put before all paths.
install: build
	DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" packaging/install bin/dkimbot

# Archives and Debian packages of the commit that is checked out, and their checksums, in dist.
release:
	packaging/release dist

# Installs, upgrades, removes and purges the Debian package in a booted Debian; and builds all twice, to compare.
# It takes some minutes, and root.
package-test:
	apt-get install -qy --no-install-recommends mmdebstrap systemd-container qemu-user
	rm -rf dist/first dist/second
	packaging/release dist/first
	packaging/release dist/second
	cmp dist/first/SHA256SUMS dist/second/SHA256SUMS
	packaging/package-test dist/first

# Few of the ten thousand years that "make simulate" runs alone, so that all of it stays below
# 40 minutes on a slow machine.
test: YEARS = 250
test: servers lint house unit simulate corpus fuzz examples

# Without root and without servers: keys, configuration, planner, executor, state.
check: lint house
	$(GO) test -race ./rotate ./rotate/finding ./rotate/follow ./rotate/ports ./rotate/approval ./rotate/health ./rotate/order ./rotate/plan ./rotate/adoption ./rotate/forecast ./rotate/foresight ./rotate/engine ./rotate/scheduler ./rotate/keyring ./rotate/testmail ./rotate/lease ./rotate/batch ./rotate/handover ./rotate/calendar ./rotate/dkim ./rotate/fault ./cmd/internal/config/... ./rotate/settings ./cmd/internal/show ./cmd/internal/show/meaning ./state/statetest

# Packages are fetched and unpacked while the two servers that are built here keep the processors busy.
servers:
	+$(MAKE) -j 2 packages built-servers

packages:
	.ci/servers

built-servers:
	keystore/vault/vaulttest/server/build /dev/null
	cd rotate/signer/signertest/maddyserver && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -tags nosqlite3 -o /usr/local/lib/dkimbot-maddy/maddy github.com/foxcpp/maddy/cmd/maddy

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "run gofmt on: $$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags failpoints ./cmd/internal/app
	cd cmd/internal/install/manifests && $(GO) vet .
	$(GO) run $(STATICCHECK) ./...
	shellcheck .ci/run .ci/servers .ci/unit .ci/fuzz .ci/examples examples/systemd/dkimbot-admin packaging/build packaging/install packaging/release packaging/package-test packaging/debian/* keystore/vault/vaulttest/server/build $$(git ls-files '*.sh' examples/signers ':!*.md')

# Vet is left out here and below, since lint has run all of it.
# The rules of the house read the source and run nothing of it: the race detector has nothing to find
# there, and makes them take ten times as long.
house:
	$(GO) test -vet=off ./cmd/internal/house

# More packages at once than processors: the tests wait far more than they compute.
unit:
	.ci/unit -p 3 -timeout 30m

# Ten thousand domain-years with all faults on, and all mutants of the world's parts; without -race,
# which is ten times slower ("unit" tries a sample with it), and with little garbage collection,
# since it lives on short-lived copies.
YEARS ?= 10000
simulate:
	GOGC=400 RAPID_SEED=1 $(GO) test -vet=off -timeout 30m ./rotate/simulate -years $(YEARS)

# All questions of the corpus of zone files, and all changes of clocks in all zones: they compute
# alone, so that "unit" tries a sample of them under the race detector.
corpus:
	$(GO) test -vet=off -run 'Corpus|TestEveryChangeOfEveryZone|TestReference' ./providers/zonefile ./rotate/calendar

# Fresh seeds for as long as it is told, and fresh cases for the property tests.
SOAK ?= 1h
CASES ?= 3000
soak:
	$(GO) test -run 'Soak' -timeout 0 ./rotate/simulate -soak $(SOAK)
	RAPID_CHECKS=$(CASES) $(GO) test -run 'TestRandomOperations|TestAnything|TestPlanIsSafe' -timeout 0 ./rotate/plan ./rotate/engine ./rotate/simulate

# Changes one line of the planner and the transitions at a time, and tells which changes no
# test notices. It takes an hour or two; MUTANTS="-every 40" takes a sample, and with "-log FILE" a
# run continues where it was ended.
mutants:
	$(GO) run ./rotate/mutation $(MUTANTS)

# Kills the real program before and after every effect and every durable system call,
# with a wrong clock and with old backups too. Wants the machine for itself.
crashes: servers
	$(GO) test -timeout 30m -run Crashes ./cmd/internal/e2e -everywhere

fuzz:
	.ci/fuzz $(FUZZTIME)

examples:
	.ci/examples

# Prints what dkimbot adds to the making of keys, as ratios, and what a switch of 1,000 domains takes with each
# signer: writes, reloads or requests, and time. It takes some minutes and wants the machine for itself. BENCHFLAGS="-domains 10 -rounds 1 -hand 2" tries it out.
bench: servers
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 60m ./cmd/internal/bench $(BENCHFLAGS)
	$(GO) test -run '^$$' -bench Switch -benchtime 3x -timeout 60m -p 1 ./rotate/signer/...
