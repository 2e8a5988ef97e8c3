# The steps that need more than one command are in .ci/run, so that CI and people
# run the same, and CI needs no make.

.DEFAULT_GOAL := all
FUZZTIME      ?= 10s

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "}; {printf "%-15s %s\n", $$1, $$2}'

.PHONY: all
all: test lint ## Test and lint

.PHONY: test
test: ## Run every test, with the race detector
	go test -race -shuffle=on work

.PHONY: fuzz
fuzz: ## Run every fuzz test for FUZZTIME
	FUZZTIME=$(FUZZTIME) bash .ci/run fuzz

.PHONY: bench
bench: ## Run every benchmark ten times, for benchstat
	go test -run '^$$' -bench . -count 10 work | tee bench.txt

.PHONY: lint
lint: ## Vet and lint
	bash .ci/run vet lint

.PHONY: generate
generate: ## Regenerate code
	go generate ./...

.PHONY: check-generate
check-generate: ## Fail if generated code is not current
	bash .ci/run generate
