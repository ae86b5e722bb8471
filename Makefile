# Everything runs through these targets; `make help` lists them.
TAGS := sqlite_fts5
export GOFLAGS := -tags=$(TAGS)

build: ## build bin/sparkle
	go build -o bin/sparkle ./cmd/sparkle

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: build help
