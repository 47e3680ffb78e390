# Everything one does with this repository. `make` alone lists it. Needs Go, Node.js and make; the rest installs itself.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

GO ?= go
PKGS ?= ./...
KILLS ?= 100
ARGS ?=
ONLY ?=
VERSION ?= $(shell git describe --tags --always --dirty)

# The packages whose tests run on both engines: their databases come from the kit. Of the bench only the program uses it; chaos
# has servers of its own, and wants the machine for itself.
KIT := tidings.dev/internal/store/storetest
BOTH = $(filter-out tidings.dev/test/chaos tidings.dev/test/bench,$(shell $(GO) list -test -f '{{.ImportPath}} {{join .Deps " "}} ' $(PKGS) | sed -n 's|^\([^ ]*\)\.test .* $(KIT) .*|\1|p'))

# Tools are pinned in tools/go.mod and tools/lint/go.mod, and built once per version.
pinned = $(shell awk '$$1 == "$(2)" && NF > 1 {print $$2}' $(1)/go.mod)
SQLC := .tools/bin/sqlc-$(call pinned,tools,github.com/sqlc-dev/sqlc)
GOFUMPT := .tools/bin/gofumpt-$(call pinned,tools,mvdan.cc/gofumpt)
DEADCODE := .tools/bin/deadcode-$(call pinned,tools,golang.org/x/tools)
GOVULNCHECK := .tools/bin/govulncheck-$(call pinned,tools,golang.org/x/vuln)
LINT := .tools/bin/golangci-lint-$(call pinned,tools/lint,github.com/golangci/golangci-lint/v2)
QUERIES = $(GO) run -C tools ./queries -root .. -sqlc ../$(SQLC)

.PHONY: help
help: ## list these targets
	@echo 'make TARGET, where TARGET is one of:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile

##### Running #####

.PHONY: sandbox
sandbox: ## start the product with simulated networks on loopback (ARGS="--listen 127.0.0.1:0")
	CGO_ENABLED=0 $(GO) build -o bin/sandbox ./cmd/sandbox
	exec bin/sandbox $(ARGS)

.PHONY: build
build: ## build the product into bin/tidings
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tidings ./cmd/tidings

.PHONY: release
release: ## build what is given to others into dist/: programs, checksums, what they are made of; reproducibly (VERSION=v1.2.3)
	scripts/release $(VERSION)

##### Testing #####

.PHONY: test
test: compiler foreign postgresql typed ## run all tests, with the race detector and shuffled (PKGS=./internal/store/...)
	CGO_ENABLED=1 $(GO) test -race -shuffle=on -parallel=4 -timeout=10m $(PKGS)
	@$(MAKE) --no-print-directory test-postgres
	$(GO) test -C tools ./queries ./sbom

.PHONY: test-postgres
test-postgres: compiler postgresql ## run those that keep something once more, on PostgreSQL
	@both='$(BOTH)'; [ -n "$$both" ] || { echo 'Nothing in $(PKGS) uses the store.'; exit 0; }; set -x; \
	CGO_ENABLED=1 $(GO) run ./test/cluster $(GO) test -race -shuffle=on -parallel=4 -timeout=20m $$both
	$(if $(filter ./... ./test/chaos,$(PKGS)),TIDINGS_TEST_ENGINE=postgres $(GO) test -timeout=5m ./test/chaos)

.PHONY: quick
quick: ## run the short tests without the race detector, for while you work
	$(GO) test -short $(PKGS)

.PHONY: check
check: format vet lint arrows generated vuln-note ## format, vet, lint, import arrows, generated code

.PHONY: vuln
vuln: $(GOVULNCHECK) ## look for known vulnerabilities; needs https://vuln.go.dev (VULNDB=file:///... for a copy)
	$(GOVULNCHECK) $(if $(VULNDB),-db $(VULNDB)) $(PKGS)

.PHONY: bench
bench: ## measure this checkout on this machine
	$(GO) run ./test/bench $(ARGS)

.PHONY: bench-kannel
bench-kannel: ## measure it beside Kannel from Debian's packages, in one run
	@scripts/need 'PATH=$$PATH:/usr/sbin; command -v bearerbox && command -v smsbox' kannel kannel-extras
	$(GO) run ./test/bench -kannel $(ARGS)

.PHONY: bench-large
bench-large: ## measure it on ten million messages, kept for the next run (ARGS="-engine postgres", ARGS="-rows 200000")
	$(GO) run ./test/bench large $(ARGS)

.PHONY: bench-whatsapp
bench-whatsapp: ## measure it with a thousand linked devices, and ten minutes of messages (ARGS="-devices 100 -soak 1m")
	$(GO) run ./test/bench whatsapp $(ARGS)

.PHONY: chaos
chaos: ## kill the product KILLS times (100) under load and check that nothing was lost
	$(GO) run ./test/chaos -kills $(KILLS) $(ARGS)

.PHONY: chaos-postgres
chaos-postgres: ## the same on PostgreSQL
	$(GO) run ./test/chaos -engine postgres -kills $(KILLS) $(ARGS)

.PHONY: chaos-nodes
chaos-nodes: ## the same with two servers on one PostgreSQL, which are killed, stopped and frozen
	$(GO) run ./test/chaos -nodes 2 -kills $(KILLS) $(ARGS)

.PHONY: chaos-database
chaos-database: ## kill PostgreSQL itself ten times under load, below one server and below two
	$(GO) run ./test/chaos -faults postgres $(ARGS)
	$(GO) run ./test/chaos -faults postgres -nodes 2 $(ARGS)

.PHONY: chaos-inbound
chaos-inbound: ## people write 10,000 times to a linked device while the server is killed and one write in a hundred fails (ARGS="-engine postgres")
	$(GO) run ./test/chaos inbound $(ARGS)

.PHONY: soak
soak: ## ten minutes at half of the peak with a kill a minute, in which nothing may grow (ARGS="-soak 2m -every 20s")
	$(GO) run ./test/chaos -soak 10m $(ARGS)

.PHONY: soak-postgres
soak-postgres: ## the same on PostgreSQL
	$(GO) run ./test/chaos -engine postgres -soak 10m $(ARGS)

.PHONY: chaos-proof
chaos-proof: ## plant known bugs and see that chaos finds each of them
	$(GO) run ./test/chaos proof $(ARGS)

##### Writing code #####

.PHONY: generate
generate: $(SQLC) ## rewrite generated code from internal/*/queries.sql (ONLY=wallet for one package)
	$(QUERIES) $(ONLY)

.PHONY: tables
tables: ## rewrite the tables of settings, metrics and log lines in docs/guides
	$(GO) test ./internal/app -run TestEvery -update

.PHONY: fmt
fmt: $(GOFUMPT) ## format the Go code
	$(GOFUMPT) -w .

.PHONY: clean
clean: ## remove what was built; the tools too
	rm -rf bin dist .tools test/foreign/node_modules

##### What the targets above are made of #####

.PHONY: format
format: $(GOFUMPT)
	@echo 'format: every Go file is as make fmt leaves it'
	@found=$$($(GOFUMPT) -l .); [ -z "$$found" ] || { echo "Run make fmt for:"; echo "$$found"; exit 1; }

.PHONY: vet
vet:
	$(GO) vet ./...
	$(GO) vet -C tools ./queries ./sbom

.PHONY: lint
lint: $(LINT) $(DEADCODE)
	$(LINT) run $(PKGS)
	@echo 'deadcode: every function is reachable from a program or a test'
	@found=$$($(DEADCODE) -test ./...); [ -z "$$found" ] || { echo "$$found"; exit 1; }

.PHONY: arrows
arrows:
	$(GO) test -run Arrows ./internal/app

.PHONY: generated
generated: $(SQLC)
	@echo 'generated: every queries.sql.go is what its queries.sql says, for both engines'
	@$(QUERIES) -check

.PHONY: vuln-note
vuln-note:
	@echo 'vulnerabilities: NOT checked here, because the list is on the network; run make vuln where https://vuln.go.dev answers'

.PHONY: compiler
compiler:
	@scripts/need 'command -v gcc && test -e /usr/include/stdlib.h' gcc libc6-dev # the race detector is linked with C

.PHONY: postgresql
postgresql: # its tests start servers of their own; the one that Debian's package starts is left alone
	@scripts/need 'command -v initdb || ls /usr/lib/postgresql/*/bin/initdb' postgresql

.PHONY: typed
typed: # what the guides tell people to type
	@scripts/need 'command -v curl && command -v openssl' curl openssl

# SMPP software that nobody here wrote, for the tests that talk to it, and the languages of the guides' examples.
.PHONY: foreign
foreign: $(patsubst %package-lock.json,%node_modules/.installed,$(wildcard test/foreign/package-lock.json))
	@scripts/need 'perl -MNet::SMPP -e 1' libnet-smpp-perl
	@scripts/need 'command -v python3 && command -v php && command -v ruby' python3 php-cli ruby
	@scripts/need 'command -v javac' default-jdk-headless
	@scripts/need 'command -v curl && test -f /usr/share/php/GuzzleHttp/autoload.php' curl php-guzzlehttp-guzzle

test/foreign/node_modules/.installed: test/foreign/package-lock.json
	@scripts/need 'command -v node && command -v npm' nodejs npm
	npm ci --prefix test/foreign --no-audit --no-fund
	@touch $@

build_tool = @echo 'Building $(notdir $@), once' && CGO_ENABLED=0 $(GO) build -C $(1) -o $(CURDIR)/$@ $(2)

$(SQLC):
	$(call build_tool,tools,github.com/sqlc-dev/sqlc/cmd/sqlc)
$(GOFUMPT):
	$(call build_tool,tools,mvdan.cc/gofumpt)
$(DEADCODE):
	$(call build_tool,tools,golang.org/x/tools/cmd/deadcode)
$(GOVULNCHECK):
	$(call build_tool,tools,golang.org/x/vuln/cmd/govulncheck)
$(LINT):
	$(call build_tool,tools/lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
