# The front door. Thin on purpose: scripts/ holds the logic, CMake and Ninja do the building.
# `make help` lists the targets.

.DEFAULT_GOAL := release

PYTHON := /usr/bin/python3

NODES     ?= 3
BASE_PORT ?= 7480
SEEDS     ?= 100
SECONDS   ?= 60
T         ?= resp
PREFIX    ?= /usr/local

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: ## set up, build, and run three durable nodes on loopback until Ctrl-C (NODES=, BASE_PORT=)
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate
	@scripts/run.sh $(NODES) $(BASE_PORT)

.PHONY: test
test: ## set up, then every test; the last line is "N passed, N failed"
	@scripts/install_deps.sh test
	@$(PYTHON) scripts/run_tests.py --all

.PHONY: release
release: ## set up with the build packages only, then build/release/quorate and quorate-sim
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate quorate-sim

.PHONY: check
check: ## before each commit: tidy on what changed, unit tests, short simulation (< 3 min)
	@scripts/install_deps.sh test
	@$(PYTHON) scripts/run_tests.py --quick

.PHONY: debug
debug: ## everything with ASan and UBSan, into build/debug
	@scripts/install_deps.sh test
	@scripts/build.sh debug

.PHONY: sim
sim: ## simulator: SEEDS=100 of them, or tell one at length with SEED=42 (SET="nodes=3 keys=1")
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate-sim
	@build/release/quorate-sim $(if $(SEED),--seed $(SEED) --verbose,--seeds $(SEEDS)) --set "$(SET)"

.PHONY: shrink
shrink: ## make a failing seed small: SEED=42 (SET="nodes=3", SECONDS=60)
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate-sim
	@build/release/quorate-sim --seed $(SEED) --set "$(SET)" --shrink --tail 40 --jobs 2 \
	    --time-limit $(SECONDS)

.PHONY: sim-partitions
sim-partitions: ## every pattern of cut links from every first leader, 3 and 5 nodes (some minutes)
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate-sim
	@build/release/quorate-sim --partitions 3 --jobs 2
	@build/release/quorate-sim --partitions 5 --jobs 2

.PHONY: storage-faults
storage-faults: ## every failing disk call and allocation, every flipped byte (15 minutes)
	@scripts/install_deps.sh test
	@QUORATE_FAULTS=full $(PYTHON) scripts/run_tests.py --suite unit \
		--only 'nth_failure|_flip|out_of_memory'

.PHONY: crash
crash: ## crash states: workloads crashed everywhere, recoveries too (some minutes; SEED=0)
	@scripts/install_deps.sh run
	@scripts/build.sh release quorate-sim
	@build/release/quorate-sim --crash-states --again 2 --jobs 2 $(if $(SEED),--seed $(SEED))

.PHONY: sim-plants
sim-plants: ## which planted bugs are caught, by what, after how many seeds (PLANT=B01)
	@scripts/install_deps.sh test
	@$(PYTHON) scripts/sim_plants.py $(PLANT)

.PHONY: e2e
e2e: ## real processes on loopback
	@scripts/install_deps.sh test
	@$(PYTHON) scripts/run_tests.py --suite e2e

.PHONY: chaos
chaos: ## real processes under kill -9, power cuts and disk errors, at full length
	@scripts/install_deps.sh test
	@QUORATE_CHAOS=full $(PYTHON) scripts/run_tests.py --suite chaos

.PHONY: bench
bench: ## throughput and latency beside redis-server and etcd
	@scripts/install_deps.sh bench
	@scripts/build.sh release quorate tools
	@$(PYTHON) tests/bench/bench.py

.PHONY: fuzz
fuzz: ## one parser under libFuzzer: T=resp SECONDS=60
	@scripts/install_deps.sh test
	@scripts/fuzz.sh $(T) $(SECONDS)

.PHONY: tsan
tsan: ## data races: the rooms with threads and a cluster under load, with TSan
	@scripts/install_deps.sh test
	@scripts/tsan.sh

.PHONY: tidy
tidy: ## house rules, formatting, clang-tidy, purity
	@scripts/install_deps.sh test
	@$(PYTHON) scripts/run_tests.py --suite tidy

.PHONY: format
format: ## let clang-format rewrite what it would complain about
	@$(PYTHON) scripts/lint.py format --fix

.PHONY: cover
cover: ## line and branch coverage of the unit tests, into build/coverage/report
	@scripts/install_deps.sh cover
	@scripts/cover.sh

.PHONY: install
install: release ## install the program (PREFIX=/usr/local, DESTDIR=)
	@cmake --install build/release --prefix "$(PREFIX)"

.PHONY: clean
clean: ## remove build/
	@rm -rf build
