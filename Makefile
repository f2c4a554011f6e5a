# What a day's work needs. `make` lists it.

GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
KILLS       ?= 50
CUTS        ?= 100
COMMANDS    ?= 20000
FUZZTIME    ?= 1m
HISTORIES   ?= 100000
SCHEDULES   ?= 1000
BENCH       ?= .
FLAGS       ?=

.DEFAULT_GOAL := help
.PHONY: help up test race lint crash power restore soak laws faults fuzz bench figures gobench tidy ci

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

up: ## run the sample service; FLAGS="-addr 127.0.0.1:9090" for others than the defaults
	$(GO) run ./product/cmd/productd $(FLAGS)

test: ## run all tests
	$(GO) test ./...

race: ## run the tests of concurrent code with the race detector
	RACE_SKIP= .ci/run race

lint: ## gofmt, go vet, staticcheck, go.mod
	.ci/run format vet staticcheck modules

crash: ## kill processes that write, KILLS times
	EVENTUS_KILLS=$(KILLS) .ci/run crash

power: ## cut the power under SQLite, PostgreSQL and JetStream, CUTS times each; needs root and /dev/fuse
	cd fire && EVENTUS_CUTS=$(CUTS) $(GO) test -count=1 -v -timeout 6h ./power

restore: ## put older backups back under running consumers, by SCHEDULES random schedules
	EVENTUS_SCHEDULES=$(SCHEDULES) $(GO) test -count=1 -v -timeout 1h -run '^TestRestore(Servers|UnderAppends)?$$' ./consume

soak: ## COMMANDS commands on PostgreSQL and NATS while everything is killed in turn
	EVENTUS_SOAK=$(COMMANDS) $(GO) test -count=1 -v -run '^TestSoak$$' ./product/cmd/productd

laws: ## look at the laws on HISTORIES random histories
	$(GO) test -count=1 -v -timeout 1h -run '^(TestLaws|TestViews)$$' ./eventustest/internal/order ./product -rapid.checks=$(HISTORIES)

faults: ## find each of the faults that are planted for the laws
	EVENTUS_FAULTS=1000 $(GO) test -count=1 -v -timeout 1h -run '^TestEveryFaultIsFound$$' ./eventustest

fuzz: ## run each fuzz target for FUZZTIME
	FUZZTIME=$(FUZZTIME) FUZZTARGETS=1000 .ci/run fuzz

bench: ## measure beside bare clients and other libraries; FLAGS="-run save" for a part
	cd bench && $(GO) run . $(FLAGS)

figures: ## the same, into docs/figures
	cd bench && $(GO) run . -out ../docs/figures $(FLAGS)

gobench: ## run the Go benchmarks that match BENCH
	$(GO) test -run '^$$' -bench '$(BENCH)' ./...

tidy: ## format the code and tidy each go.mod
	gofmt -w .
	$(GO) mod tidy
	cd bench && $(GO) mod tidy
	cd fire && $(GO) mod tidy

ci: ## all that a change has to pass
	.ci/run
