# Every target is one command; what needs more than that is a Go program or a test. `make help` lists them.
.DEFAULT_GOAL := help
export CGO_ENABLED = 0
LDFLAGS = -s -w -X main.version=$(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: help build demo test check e2e bench crash fuzz generate image image-full release
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

build: ## bin/obidos, static
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/obidos ./cmd/obidos

demo: build ## start obidos, run queues through their lives, say how to do it oneself
	bin/obidos demo

test: ## everything in process: race detector, shuffled, no network
	go run ./cmd/dev test

check: ## lint, layers, generated code, tidy modules, cross-compilation, vulnerabilities
	go run ./cmd/dev check

e2e: build ## real clients against a real process
	go run ./cmd/e2e -obidos bin/obidos

bench: build ## throughput and CPU beside a bare echo and ElasticMQ
	go run ./cmd/bench -obidos bin/obidos

crash: build ## power cuts and kill -9, many of them
	go run ./cmd/dev crash

fuzz: ## every fuzz target for FUZZTIME (30s) each
	go run ./cmd/dev fuzz -time $(or $(FUZZTIME),30s)

image: ## OCI images for amd64 and arm64 and archives for docker load, in dist/image; no Docker needed
	go run -C tools/image .

image-full: ## the same with Python, Node.js, Java and the AWS CLI, for this machine (root)
	go run -C tools/image . -full

generate: ## models → internal/api, docs/services.md
	go run ./cmd/apigen

release: ## archives for every platform, in dist/
	goreleaser release --clean
