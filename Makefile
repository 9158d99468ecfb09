# Targets for people and for .ci/run; plain `make` lists them.

SWIFT ?= swift
BUILD = $(SWIFT) build --explicit-target-dependency-import-check error
TEST = $(SWIFT) test --skip-build --disable-xctest
BENCH ?= /var/tmp/snapstore-bench
SNAPSTORE = .build/release/snapstore

.DEFAULT_GOAL := help
.PHONY: help deps build release test test-release second-reader demo bench format lint clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

deps: ## install what building and testing needs (Debian, apt)
	@Tests/Demo/install-dependencies.sh

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

second-reader: release ## check vaults with the reader written from docs/format.md
	rm -rf .build/second-reader
	Tests/SecondReader/prove.py $(SNAPSTORE) .build/second-reader

demo: release ## back up a real disk image, change it, restore both moments, compare
	@Tests/Demo/demo.sh $(SNAPSTORE)

bench: release ## compare with borg, restic and cp on real disk images (root, 30 GiB, an hour)
	apt-get install -y -qq borgbackup restic mmdebstrap xfsprogs lvm2 fdisk dosfstools mtools
	Benchmarks/make-corpus.sh $(BENCH)/corpus
	Benchmarks/compare.py --snapstore $(SNAPSTORE) --work $(BENCH)/work --runs 3 \
	  --images $(addprefix $(BENCH)/corpus/,web.img db.img data.img) \
	  --second-day $(addprefix $(BENCH)/corpus/day2/,web.img db.img data.img) \
	  --json $(BENCH)/figures.json

format: ## format all Swift code in place
	$(SWIFT) format format --in-place --recursive Sources Tests Package.swift

lint: ## check the format of all Swift code
	$(SWIFT) format lint --strict --recursive Sources Tests Package.swift

clean: ## remove everything that was built
	rm -rf .build
