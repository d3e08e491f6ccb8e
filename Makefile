# LUNA-Halide. `make` prints this help; every target does what is missing first.
.DEFAULT_GOAL := help
SHELL := /bin/bash
BUILD ?= build
TIER ?= quick
SANITIZE ?=
MINUTES ?= 30
DEVICE ?= cpu
BUDGET ?= 10
# Cells side by side: the runner's own choice unless JOBS was given.
CELLS := $(if $(JOBS),--jobs $(JOBS))
ifeq ($(JOBS),)
override JOBS := $(shell nproc)
endif
CMAKE := .venv/bin/cmake
ifneq ($(SANITIZE),)
override BUILD := build-sanitize
endif

.PHONY: help setup configure build test reproduce report bench bench-peers selftest autotune data learning-rates tidy clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

setup: ## install what is missing: apt packages and .venv/ (2 minutes the first time)
	@cmake/setup.sh

configure: setup
	@start=$$(date +%s); mkdir -p $(BUILD); \
	$(CMAKE) -S . -B $(BUILD) -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/.venv/bin/ninja \
	  -DLUNA_SANITIZE=$(SANITIZE) >$(BUILD)/configure.log 2>&1 || { cat $(BUILD)/configure.log; exit 1; }; \
	grep 'Halide pipelines' $(BUILD)/configure.log; \
	sed -n '/^CMake Warning at cmake.Luna/,/^$$/p' $(BUILD)/configure.log >&2; \
	echo "[configure] done in $$(($$(date +%s) - start)) s"

build: configure ## configure and build everything into build/
	@start=$$(date +%s); ASAN_OPTIONS=detect_leaks=0 $(CMAKE) --build $(BUILD) -j $(JOBS) $(if $(SANITIZE),--target luna_sanitized_tests) && \
	echo "[build] done in $$(($$(date +%s) - start)) s" && \
	awk -F'\t' '$$4 ~ /^generators\/[^\/]*\.h$$/ {t[$$4] = $$2 - $$1} END {for (k in t) {n++; s += t[k]} \
	  if (n) printf "[build] %d Halide pipelines: %d core-seconds of it\n", n, s / 1000}' $(BUILD)/.ninja_log

test: build ## build, then run every test (SANITIZE=address,undefined for parsers and bridge)
	@.venv/bin/ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS) $(if $(SANITIZE),-L sanitize)

LUNA := $(BUILD)/luna

reproduce: build ## train every cell of TIER (quick, cpu, paper, paper-skyformer), time the operators, write the report (YES=1: do not ask before hours)
	@start=$$(date +%s); status=0; \
	$(LUNA) run --tier $(TIER) $(CELLS) $(if $(YES),--yes) || status=$$?; [ $$status -le 1 ] || exit $$status; \
	$(LUNA) bench --tier $(TIER) && $(LUNA) report --tier $(TIER) && \
	echo "[reproduce] done in $$(($$(date +%s) - start)) s, set-up and build not counted" && exit $$status

report: build ## write reports/out/report.md and report.html from the results of TIER
	@$(LUNA) report --tier $(TIER)

PEERS = results/$(TIER)/bench-peers$(if $(filter cuda,$(DEVICE)),-cuda)
# $(call time_peers,MINUTES): the peers that only Python has.
time_peers = .venv/bin/python experiments/bench/peers.py --luna $(LUNA) --library $(BUILD)/libluna.so \
  --device $(DEVICE) --out $(PEERS).json --minutes $(1) && \
  $(LUNA) table $(PEERS).json | tee $(PEERS).md

bench: build ## time every operator and its peers over all sizes, alone (MINUTES=30; on a CPU it goes on where it stopped; DEVICE=cuda: the important rows first, then for a third of the time torch.compile and flash-linear-attention)
ifeq ($(DEVICE),cuda)
	@[[ "$(MINUTES)" =~ ^[0-9]+([.][0-9]+)?$$ ]] || { echo "MINUTES=$(MINUTES) is no number of minutes, such as 30 or 0.5" >&2; exit 2; }
	@status=0; $(LUNA) bench --tier $(TIER) --device cuda --seconds $$(awk 'BEGIN {print 40 * $(MINUTES)}') || status=$$?; \
	[ $$status -eq 3 ] && exec $(BUILD)/luna_predict; [ $$status -eq 0 ] || exit $$status; \
	$(call time_peers,$$(awk 'BEGIN {print $(MINUTES) / 3}'))
else
	@$(LUNA) bench --tier $(TIER) --full --device "$(DEVICE)" --minutes $(MINUTES)
endif

selftest: build ## every map and mode against float64 on DEVICE (cpu, cuda), in the installed program itself
	@$(LUNA) selftest --device $(DEVICE)

autotune: build ## find the fastest schedules of DEVICE in BUDGET=10 minutes, for the next build (goes on where it stopped; ARCHITECTURE=sm_80: predict for it)
	@$(LUNA) autotune --device $(DEVICE) --minutes $(BUDGET) --jobs $(JOBS) $(if $(ARCHITECTURE),--architecture $(ARCHITECTURE))

bench-peers: build ## the same against torch.compile and flash-linear-attention, from Python (MINUTES=30; DEVICE=cuda)
	@$(call time_peers,$(MINUTES))

data: build ## make and verify the data sets of TIER
	@$(LUNA) data make --tier $(TIER) && $(LUNA) data verify --tier $(TIER)

learning-rates: build ## choose the quick tier's learning rates on validation again (half an hour)
	@$(LUNA) tune --tier $(TIER) $(CELLS)

# clang-tidy reads file by file and not gcc's precompiled header: compile commands of their own, over what was built.
tidy: build ## run clang-tidy (apt: clang-tidy) over every source file (half an hour)
	@command -v clang-tidy >/dev/null || { echo "install it: apt-get install clang-tidy"; exit 1; }
	@mkdir -p $(BUILD)/tidy; \
	$(CMAKE) -S . -B $(BUILD)/tidy -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/.venv/bin/ninja -DCMAKE_UNITY_BUILD=OFF \
	  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >$(BUILD)/tidy/configure.log 2>&1 || { cat $(BUILD)/tidy/configure.log; exit 1; }; \
	sed -i 's,$(abspath $(BUILD))/tidy/,$(abspath $(BUILD))/,g' $(BUILD)/tidy/compile_commands.json
	@git ls-files '*.cpp' | xargs -P $(JOBS) -n 1 \
	  clang-tidy -p $(BUILD)/tidy --quiet --warnings-as-errors='*' \
	  2> >(grep -vE '^[0-9]+ warnings? generated\.$$' >&2)

clean: ## remove build folders, BUILD too; results/ and .venv/ stay
	rm -rf build build-* $(if $(wildcard $(BUILD)/CMakeCache.txt),$(BUILD))
