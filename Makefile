# Everything runs through these targets.
#
# The tag turns on SQLite's full-text index; it is set here, once.
export GOFLAGS := -tags=sqlite_fts5
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
VERSION := $(shell git describe --always --dirty 2>/dev/null)
DEBS := baresip-core sip-tester socat liblinphone-dev gcc iproute2 iptables openssl
BENCHDEBS := rtpengine-daemon kamailio kamailio-tls-modules kamailio-sqlite-modules sqlite3 openssl
FUZZTIME ?= 20s

run: build ## build and start a complete system on this computer, with a demo organisation
	bin/sparkle localserve

build: ## build bin/sparkle
	go build -ldflags '-X main.version=$(VERSION)' -o bin/sparkle ./cmd/sparkle

test: deps ## every test: unit, race, conformance, end to end with real softphones, crash
	SPARKLE_E2E_RACE=1 go test -race -timeout 25m ./...

lint: ## gofmt, go vet, staticcheck, and govulncheck where its database can be reached
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	@if curl -sfm 10 -o /dev/null https://vuln.go.dev/index/db.json; then go run $(GOVULNCHECK) ./...; \
	else echo "govulncheck: not run, its database cannot be reached from here"; fi

bench: build benchdeps ## compare with Kamailio and rtpengine in one run, and measure groups, memory and growth
	go build -o bin/sipload ./cmd/sipload
	@failed=; \
	bin/sipload compare -sparkle bin/sparkle || failed=1; \
	bin/sipload relay -sparkle bin/sparkle || failed=1; \
	bin/sipload groups -sparkle bin/sparkle -pair || failed=1; \
	bin/sipload groups -sparkle bin/sparkle -kill || failed=1; \
	bin/sipload memory -sparkle bin/sparkle || failed=1; \
	SPARKLE_GROWTH=1 go test -run Growth -v -timeout 20m ./store/sqldb ./admin || failed=1; \
	test -z "$$failed"

fuzz: ## each fuzz target for FUZZTIME (20s)
	@for pkg in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

deps: ## install what the tests need (Debian)
	@$(call need,$(DEBS))

benchdeps:
	@$(call need,$(BENCHDEBS))

clean: ## remove what was built and the demo organisation
	rm -rf bin run

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

# need installs the Debian packages that are missing, or says which they are.
define need
missing=$$(for p in $(1); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done | tr '\n' ' '); \
if [ -n "$$missing" ]; then \
  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
    echo "installing $$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
  else echo "please install: apt-get install $$missing"; exit 1; fi; \
fi
endef

.PHONY: run build test lint bench fuzz deps benchdeps clean help
