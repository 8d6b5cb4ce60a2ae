# Every target with a line in `make help` is meant for people; CI runs .ci/run.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

BIN := $(CURDIR)/.bin
LINT := $(BIN)/golangci-lint
# Tests bring their own network: a proxy or CA of this machine must not leak in.
CLEAN := env -u HTTPS_PROXY -u https_proxy -u HTTP_PROXY -u http_proxy -u ALL_PROXY -u all_proxy -u NO_PROXY -u no_proxy \
	-u SSL_CERT_FILE -u SSL_CERT_DIR -u AWS_CA_BUNDLE -u CURL_CA_BUNDLE -u REQUESTS_CA_BUNDLE -u NODE_EXTRA_CA_CERTS

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

.PHONY: check
check: format vet lint race generated ## the gate: format, vet, lint, race tests, generated files up to date

.PHONY: format
format: ## fail on files that gofmt would change
	@out="$$(gofmt -l .)"; if [[ -n "$$out" ]]; then echo "gofmt -w these files:"; echo "$$out"; exit 1; fi

.PHONY: vet
vet: ## go vet
	go vet ./...

.PHONY: lint
lint: $(LINT) ## golangci-lint, built from tools/go.mod
	$(LINT) run ./...

$(LINT): tools/go.mod tools/go.sum
	go -C tools build -o $(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: test
test: ## all tests; those that need a foreign tool skip where it is missing
	go mod download
	$(CLEAN) go test ./...

.PHONY: race
race: ## all tests under the race detector
	go mod download
	$(CLEAN) go test -race ./...

.PHONY: demo
demo: ## the whole story on this machine
	go run ./cmd/samlfailover demo

.PHONY: generate
generate: ## rewrite the generated docs and golden files
	go test ./config ./finding ./failover ./server/api ./server/metrics ./cmd/samlfailover -update
	go test ./failover/crashtest -run Page -update

.PHONY: generated
generated: ## fail if generated docs or go.mod are not what the sources say
	go mod tidy -diff
	go test -count=1 ./config ./finding ./failover ./cmd/samlfailover
	go test -count=1 -run Page ./failover/crashtest

.PHONY: crashes
crashes: ## every pair of crashes of moves of 1, 3 and 6 apps, and every point by SIGKILL
	CRASH_ALL=1 $(CLEAN) go test -count=1 -timeout 30m ./failover/crashtest

.PHONY: kills
kills: ## the real program, killed after it has acknowledged a request, and started again (Linux, a minute)
	TEST_KILL=1 $(CLEAN) go test -count=1 -parallel 6 -timeout 6m -v ./app/killtest

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 30s each)
	@FUZZTIME=$${FUZZTIME:-30s} ./.ci/fuzz

.PHONY: bench
bench: ## what 200 clients cost a move (4 minutes, Linux), and how soon Slack is acknowledged
	TEST_WEB=1 $(CLEAN) go test ./app/webbench -count=1 -run '^TestMoveBeforeACrowd$$' -v
	$(CLEAN) go test ./server/slack -run '^$$' -bench '^BenchmarkAcknowledge$$/^status$$' -benchtime 300x
	$(CLEAN) go test ./server/slack -run '^$$' -bench '^BenchmarkAcknowledge$$/^pause$$' -benchtime 40x # each waits for the last one's message, at Slack's pace

.PHONY: bench-policy
bench-policy: trustpolicy/simulate/node_modules ## what reading, judging, editing and proving a trust policy costs
	go test ./trustpolicy -run '^$$' -bench . -cpu 1 -count $${COUNT:-5}

trustpolicy/simulate/node_modules: trustpolicy/simulate/package-lock.json
	npm ci --prefix trustpolicy/simulate --ignore-scripts --no-audit --no-fund
	@touch $@
