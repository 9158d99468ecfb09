# Targets for people and for .ci/run; plain `make` lists them.

SWIFT ?= swift
# What this machine has beside what it must have. Looked up when a command runs, after `deps`.
FEATURES = $(shell test ! -e /usr/include/intel-ipsec-mb.h || echo SNAPSTORE_IPSEC_MB=1)
BUILD = $(FEATURES) $(SWIFT) build --explicit-target-dependency-import-check error
TEST = $(FEATURES) $(SWIFT) test --skip-build --disable-xctest
BENCH ?= /var/tmp/snapstore-bench
SNAPSTORE = .build/release/snapstore
SWIFT_CODE = Sources Tests Benchmarks Package.swift
# How long `make fuzz` gives each of DECODERS, or of all.
SECONDS ?= 10
# What `make sanitize` looks at, for races and for memory.
ENGINE = SnapStoreEngineTests.(RoundTrip|Parent|Healing|Verify|IndexMerge)Tests
CONCURRENT = SnapStoreIOTests|SnapStoreVaultTests|$(ENGINE)
UNSAFE = SnapStoreFormatTests|SnapStoreIOTests|SnapStoreVaultTests|$(ENGINE)
FUZZ = .build/asan/release/SnapStoreFuzz

# Where `make install` puts things: below DESTDIR, for a system in which they will be in PREFIX.
PREFIX ?= /usr/local
DESTDIR ?=
ZSH_COMPLETIONS ?= share/zsh/site-functions
INSTALLED = $(DESTDIR)$(PREFIX)
UNITS = $(notdir $(wildcard Packaging/systemd/*.service Packaging/systemd/*.timer))
STATIC = .build/static/release/snapstore
PACKAGE = .build/snapstore.deb
SOURCES = Package.swift $(shell find Sources -type f)

.DEFAULT_GOAL := help
.PHONY: help deps build release test test-release second-reader demo format lint clean \
  bench bench-short bench-curve bench-micro bench-scale try-bench \
  soak sanitize fuzz fuzz-until documents install uninstall deb try-install try-package try-units \
  try-operations

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

deps: ## install what building and testing needs (Debian, apt)
	@Tests/Demo/install-dependencies.sh
	@Tests/Demo/install-promtool.sh .build/tools

build: deps ## build for debugging
	$(BUILD)

release: deps ## build the program for use: .build/release/snapstore
	$(BUILD) -c release --product snapstore

test: deps ## build and run all tests
	$(BUILD) --build-tests
	$(TEST)

test-release: deps ## run all tests on optimized code
	$(BUILD) --build-tests -c release
	$(TEST) -c release

soak: deps ## the random tests for an hour or more: power cuts, kills, the model
	$(BUILD) --build-tests -c release
	SNAPSTORE_SOAK=1 $(TEST) -c release --filter 'ModelTests|KillTests|PowerCut|FaultTests'

# Each sanitizer needs everything built anew, so in a folder of its own. What is optimized is slow
# enough. Leaks are not looked for: what Swift's runtime keeps for ever counts as one.
sanitize: deps ## the concurrent and the unsafe parts under thread and address sanitizer
	$(BUILD) --build-tests -c release --sanitize=thread --scratch-path .build/tsan
	$(TEST) -c release --sanitize=thread --scratch-path .build/tsan \
	  --filter '$(CONCURRENT)'
	$(BUILD) --build-tests -c release --sanitize=address --scratch-path .build/asan
	ASAN_OPTIONS=detect_leaks=0 $(TEST) -c release --sanitize=address --scratch-path .build/asan \
	  --filter '$(UNSAFE)'

BUILD_FUZZ = SNAPSTORE_FUZZ=1 $(BUILD) -c release --sanitize=address --scratch-path .build/asan \
  --product SnapStoreFuzz
RUN_FUZZ = Tests/Fuzz/run.py $(FUZZ) .build/fuzz $(if $(DECODERS),--decoders $(DECODERS))

fuzz: deps ## every decoder on hostile bytes, each for SECONDS (10), from a kept corpus
	$(BUILD_FUZZ)
	$(RUN_FUZZ) --seconds $(SECONDS)

fuzz-until: deps ## in rounds, until each decoder has had SECONDS of a processor
	$(BUILD_FUZZ)
	$(RUN_FUZZ) --seconds 300 --until $(SECONDS)

second-reader: release ## check vaults with the reader written from docs/format.md
	rm -rf .build/second-reader
	Tests/SecondReader/prove.py $(SNAPSTORE) .build/second-reader

demo: release ## back up a real disk image, change it, restore both moments, compare
	@Tests/Demo/demo.sh $(SNAPSTORE)

CORPUS = web.img db.img data.img
bench: release ## compare with borg, restic, casync, cp on real disk images (root, 40 GiB, hours)
	Benchmarks/install-peers.sh
	Benchmarks/make-corpus.sh $(BENCH)/corpus
	Benchmarks/compare.py --snapstore $(SNAPSTORE) --work $(BENCH)/work --runs 3 \
	  --caches warm cold --sixteen --images $(CORPUS:%=$(BENCH)/corpus/%) \
	  --second-day $(CORPUS:%=$(BENCH)/corpus/day2/%) \
	  --json $(BENCH)/figures.json --chart $(BENCH)/figures.svg

SYNTHETIC = synthetic-1.img synthetic-2.img synthetic-3.img
bench-short: release ## the same on synthetic images, warm: some minutes, no root but for peers
	Benchmarks/install-peers.sh
	Benchmarks/synthesize.py $(BENCH)/synthetic --mib 512
	Benchmarks/compare.py --snapstore $(SNAPSTORE) --work $(BENCH)/work --runs 3 --sixteen \
	  --images $(SYNTHETIC:%=$(BENCH)/synthetic/%) \
	  --second-day $(SYNTHETIC:%=$(BENCH)/synthetic/day2/%) \
	  --json $(BENCH)/figures-short.json --chart $(BENCH)/figures-short.svg

bench-curve: release ## what 1 to 8 times the data and 1 to 16 disks cost (20 GiB, minutes)
	Benchmarks/curve.py --snapstore $(SNAPSTORE) --work $(BENCH)/work \
	  --json $(BENCH)/curve.json --chart $(BENCH)/curve.svg

try-bench: release ## run the comparison in small, to see that it works: its figures mean nothing
	Benchmarks/try-harness.py $(SNAPSTORE) .build/try-bench

# Builds a package for measuring beside ours, in a folder of its own: four minutes the first time.
# SNAPSTORE_INDEX_ENTRIES=16000000 looks up in a large index.
bench-micro: deps ## measure cutting, hashing, coding, index, packs, maps one by one
	SNAPSTORE_BENCHMARKS=1 $(FEATURES) $(SWIFT) package --scratch-path .build/micro --disable-sandbox benchmark \
	  --target SnapStoreMicro

SCALE = .build/release/SnapStoreScale
CHUNKS ?= 1000000
bench-scale: release ## measure a vault of CHUNKS (1000000) chunks, and one of 1,000 points
	$(BUILD) -c release --product SnapStoreScale
	Benchmarks/scale.py --snapstore $(SNAPSTORE) --tool $(SCALE) --work $(BENCH)/work \
	  --chunks $(CHUNKS) --json $(BENCH)/scale.json

documents: release ## make manual pages and shell completions, and check them
	Packaging/make-documents.sh $(SNAPSTORE) .build/documents

# Made by name and not by a phony target, so that root can install what another user has built. A
# folder of its own: the Swift runtime is linked in, and nothing is to be built twice over.
$(STATIC): $(SOURCES)
	@Tests/Demo/install-dependencies.sh
	$(BUILD) -c release --product snapstore --static-swift-stdlib --disable-local-rpath \
	  --scratch-path .build/static
	@touch $@

.build/static/documents: $(STATIC) $(wildcard Packaging/make-*) Packaging/changelog
	Packaging/make-documents.sh $(STATIC) $@
	@touch $@

install: $(STATIC) .build/static/documents ## install below PREFIX (/usr/local); needs no toolchain then
	install -D -s $(STATIC) $(INSTALLED)/bin/snapstore
	install -D -m 644 -t $(INSTALLED)/share/man/man1 .build/static/documents/man1/*.1
	install -D -m 644 .build/static/documents/completions/snapstore.bash \
	  $(INSTALLED)/share/bash-completion/completions/snapstore
	install -D -m 644 .build/static/documents/completions/snapstore.zsh \
	  $(INSTALLED)/$(ZSH_COMPLETIONS)/_snapstore
	install -D -m 644 -t $(INSTALLED)/share/fish/vendor_completions.d \
	  .build/static/documents/completions/snapstore.fish
	Packaging/systemd/make-units.sh $(PREFIX)/bin $(PREFIX)/share/doc/snapstore \
	  $(INSTALLED)/lib/systemd/system
	install -D -m 644 -t $(INSTALLED)/share/doc/snapstore README.md LICENSE Packaging/snapstore.toml
	install -D -m 644 -t $(INSTALLED)/share/doc/snapstore/docs docs/*.md

uninstall: ## remove what make install put below PREFIX
	rm -f $(INSTALLED)/bin/snapstore
	rm -f $(INSTALLED)/share/man/man1/snapstore.1 $(INSTALLED)/share/man/man1/snapstore-*.1
	rm -f $(INSTALLED)/share/bash-completion/completions/snapstore
	rm -f $(INSTALLED)/$(ZSH_COMPLETIONS)/_snapstore
	rm -f $(INSTALLED)/share/fish/vendor_completions.d/snapstore.fish
	rm -f $(UNITS:%=$(INSTALLED)/lib/systemd/system/%)
	rm -rf $(INSTALLED)/share/doc/snapstore

deb: $(STATIC) ## make a Debian package: .build/snapstore.deb
	@Tests/Demo/install-dependencies.sh dpkg-dev lintian
	rm -rf .build/package
	@$(MAKE) --no-print-directory install DESTDIR=.build/package PREFIX=/usr \
	  ZSH_COMPLETIONS=share/zsh/vendor-completions
	Packaging/make-package.sh .build/package $(PACKAGE)
	lintian --fail-on error --allow-root $(PACKAGE)

try-install: $(STATIC) ## install into an empty folder and uninstall again
	Tests/Package/try-install.sh

try-units: ## let systemd check the units, their sandbox, their calendars
	@Tests/Demo/install-dependencies.sh systemd
	Tests/Package/try-units.sh

try-operations: release ## walk the way of docs/operations.md on small disks, under a fake clock
	Tests/Package/try-operations.sh $(SNAPSTORE) .build/try-operations

try-package: deb ## use the Debian package in a new, minimal Debian, and remove it (network)
	@Tests/Demo/install-dependencies.sh mmdebstrap
	Tests/Package/try-package.sh $(PACKAGE)

format: ## format all Swift code in place
	$(SWIFT) format format --in-place --recursive $(SWIFT_CODE)

lint: ## check the format of all Swift code
	$(SWIFT) format lint --strict --recursive $(SWIFT_CODE)

clean: ## remove everything that was built
	rm -rf .build
