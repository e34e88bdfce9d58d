# redraft: `make help` lists what can be made.
#
# Everything made is under build/: a variant (plain, or one for each SANITIZE=) has its own objects and programs, so that
# they never mix. Sources are found by wildcard: a new .c file in resp/, raft/, src/ or a room of src/ needs no line here.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all

PREFIX   ?= /usr/local
DESTDIR  ?=
BUILD    ?= build
SANITIZE ?=
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS   ?= -O2 -g
# With nobody's own CFLAGS the server is optimized as one program, across its files: 2 to 6 % less CPU a command (redis-tests/bench/README.md).
# Its objects hold usual code as well, which is what tests are linked of: their linker puts functions in place of others.
OPTIMIZED := -O3 -flto=auto -ffat-lto-objects
LTO      ?= $(if $(SANITIZE)$(findstring clang,$(CC))$(filter-out file,$(origin CFLAGS)),,$(OPTIMIZED))
JOBS     ?= $(shell nproc)
MAKEFLAGS += -j$(JOBS)

# ---- variants ------------------------------------------------------------------------------------------------

comma   := ,
VARIANT := $(if $(SANITIZE),$(subst $(comma),-,$(SANITIZE)),plain)
OUT     := $(BUILD)/$(VARIANT)
REDRAFT := $(if $(SANITIZE),$(OUT)/redraft,$(BUILD)/redraft)

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
            -Wwrite-strings -Wvla
LANGUAGE   := -std=gnu11 -isystem /usr/include/lua5.1
ALL_CFLAGS  = $(LANGUAGE) $(WARNINGS) -pthread $(CFLAGS) $(SANITIZE_FLAGS)
ALL_LDFLAGS = -pthread $(LDFLAGS) $(if $(LTO),-fno-lto) $(SANITIZE_FLAGS)
SANITIZE_FLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LIBS      := -lev -luring -lhiredis -lsqlite3 -lcrypto -llua5.1-cjson -llua5.1-bitop -llua5.1 -lm
TEST_LIBS := -lcmocka $(LIBS)

# ---- what there is -------------------------------------------------------------------------------------------

SOURCES      := $(wildcard resp/*.c raft/*.c src/*.c src/*/*.c)
UNIT         := $(wildcard tests/test_*.c)
OUTSIDE      := $(wildcard redis-tests/test_*.c)
HARNESS      := $(wildcard redis-tests/harness/*.c)
BENCH_ALONE  := redis-tests/bench/slowdisk.c redis-tests/bench/bare.c
BENCH        := $(filter-out $(BENCH_ALONE),$(wildcard redis-tests/bench/*.c))
FUZZ         := $(wildcard tests/fuzz/fuzz_*.c)
SIM          := $(wildcard tests/sim/*.c)
CHAOS        := $(wildcard redis-tests/chaos/*.c)
FAULTY       := $(wildcard redis-tests/chaos/server/*.c)
EVERY_C      := $(SOURCES) $(UNIT) $(SIM) $(CHAOS) $(FAULTY) $(OUTSIDE) $(HARNESS) $(BENCH) \
                $(wildcard redis-tests/demo.c $(BENCH_ALONE) tests/bench_log.c)

objects   = $(patsubst %.c,$(OUT)/%.o,$(1))
programs  = $(patsubst %.c,$(OUT)/%,$(1))
LIBRARY  := $(OUT)/libredraft.a

# The simulator has its own in place of these, and the linker puts its __wrap_f in place of f.
SIM_REPLACES := src/main.c src/worker.c src/logger.c $(addprefix src/net/,client.c dial.c holder.c link.c listener.c net.c resolve.c)
SIM_OBJECTS   = $(call objects,$(SIM) $(filter-out $(SIM_REPLACES),$(SOURCES)))
SIM_WRAPS     = $(shell grep -oh '__real_[a-z_0-9]*\|__wrap_[a-z_0-9]*' $(SIM) | sed 's/^__[a-z]*_/-Wl,--wrap=/' | sort -u)
SIM_PROGRAM  := $(OUT)/tests/sim/test_sim

# Faults on real processes; and the server whose disk can be made to fail: the product's objects, with a main before its main.
CHAOS_PROGRAM := $(OUT)/redis-tests/chaos/test_chaos
CHAOS_SERVER  := $(OUT)/redis-tests/chaos/redraft-faulty

BENCH_PROGRAM := $(OUT)/redis-tests/bench/bench
BENCH_LOG     := $(OUT)/tests/bench_log
SLOWDISK      := $(OUT)/redis-tests/bench/slowdisk
BARE          := $(OUT)/redis-tests/bench/bare

# What `make check` is: the unit tests but for a few that wait for long, and of those from outside the first ones.
SLOW    := $(addprefix tests/test_,$(addsuffix .c,checkpoint_pages node_audit node_blocked_handover node_blocking node_checkpoint node_cluster node_handover node_level node_proxy node_reads raft_random store_data store_data_costs store_trouble))
FIRST_OUTSIDE := $(addprefix redis-tests/test_,$(addsuffix .c,basic cli cluster))

.PHONY: all setup objects run kill-leader demo test check clients diff-redis sim sim-plants chaos lint bench bench-aside bench-checkpoints bench-collections bench-scale bench-sustained bench-turns bench-day bench-check bench-count bench-log fuzz install clean help

all: $(REDRAFT)

# ---- packages ------------------------------------------------------------------------------------------------
# Each stamp says that the packages of its row are there; each row stands on the one before it.

PACKAGES_build := libev-dev liburing-dev libhiredis-dev libsqlite3-dev libssl-dev liblua5.1-0-dev lua-cjson-dev lua-bitop-dev
PACKAGES_run   := redis-tools
PACKAGES_test  := libcmocka-dev redis-server iproute2 python3-redis
PACKAGES_bench := libnghttp2-dev etcd-server valgrind strace
PACKAGES_lint  := clang clang-format clang-tidy libnghttp2-dev

setup: $(BUILD)/.setup-test
$(BUILD)/.setup-run:  | $(BUILD)/.setup-build
$(BUILD)/.setup-test: | $(BUILD)/.setup-run
$(BUILD)/.setup-lint: | $(BUILD)/.setup-test
$(BUILD)/.setup-bench: | $(BUILD)/.setup-test
$(BUILD)/.setup-%:
	@mkdir -p $(BUILD)
	@.ci/setup $(PACKAGES_$*)
	@touch $@

# ---- compile and link ----------------------------------------------------------------------------------------
# Everything is made beside its place and moved there whole: an interrupted make, or two at once, leave no half of a file.

$(OUT)/%.o: %.c | $(BUILD)/.setup-build
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@.$$$$ && mv $@.$$$$ $@

$(call objects,$(SOURCES)): ALL_CFLAGS += $(LTO)
$(call objects,$(filter-out $(SOURCES),$(EVERY_C))): | $(BUILD)/.setup-test

$(if $(filter bench%,$(MAKECMDGOALS)),$(call objects,$(BENCH)): | $(BUILD)/.setup-bench)

$(LIBRARY): $(call objects,$(filter-out src/main.c,$(SOURCES)))
	@ar rcs $@.$$$$ $^ && mv $@.$$$$ $@

$(REDRAFT): $(call objects,src/main.c) $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $(LTO) $^ $(LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(call programs,$(UNIT)) $(BENCH_LOG): %: %.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(SIM_PROGRAM): $(SIM_OBJECTS)
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $(SIM_WRAPS) $^ $(TEST_LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(CHAOS_PROGRAM): $(call objects,$(CHAOS) $(HARNESS) tests/sim/checker.c) | $(CHAOS_SERVER)
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(CHAOS_SERVER): $(call objects,src/main.c $(FAULTY)) $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) -Wl,--wrap=main,--wrap=store_straight_write $^ $(LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(call programs,$(OUTSIDE) redis-tests/demo.c): %: %.o $(call objects,$(HARNESS))
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@.$$$$ && mv $@.$$$$ $@

$(BENCH_PROGRAM): $(call objects,$(BENCH) $(HARNESS))
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -lnghttp2 -o $@.$$$$ && mv $@.$$$$ $@

$(SLOWDISK) $(BARE): %: %.o
	@echo "  LINK  $@"
	@$(CC) $(ALL_LDFLAGS) $^ -o $@.$$$$ && mv $@.$$$$ $@

.SECONDARY:
-include $(patsubst %.c,$(OUT)/%.d,$(EVERY_C))

# ---- run -----------------------------------------------------------------------------------------------------

run: $(REDRAFT) | $(BUILD)/.setup-run
	@REDRAFT=$(REDRAFT) PORT="$(PORT)" FRESH="$(FRESH)" conf/run.sh

kill-leader: | $(BUILD)/.setup-run
	@PORT="$(PORT)" conf/kill-leader.sh

demo: $(REDRAFT) $(call programs,redis-tests/demo.c)
	@REDRAFT=$(REDRAFT) $(call programs,redis-tests/demo.c)

# ---- test ----------------------------------------------------------------------------------------------------

TEST_ENV = REDRAFT=$(REDRAFT) REDRAFT_FAULTY=$(CHAOS_SERVER) SANITIZE=$(SANITIZE)

TESTS = $(call programs,$(UNIT)) $(SIM_PROGRAM) $(call programs,$(OUTSIDE)) $(CHAOS_PROGRAM)
CHECK = $(call programs,$(filter-out $(SLOW),$(UNIT)) $(FIRST_OUTSIDE))

test: $(REDRAFT) $(CHAOS_SERVER) $(TESTS)
	@$(TEST_ENV) tests/run.sh $(TESTS)

check: $(REDRAFT) $(CHECK)
	@$(TEST_ENV) tests/run.sh $(CHECK)

# Real clients and applications against three nodes whose leader is killed; ONLY="redis-py sentinel": those whose name or way has
# one of these words. They install what they need; what cannot be had is skipped, in words.
clients: $(REDRAFT) | $(BUILD)/.setup-test
	@REDRAFT=$(REDRAFT) /usr/bin/python3 redis-tests/clients/run.py $(ONLY)

# So many commands of one seed's sequence to redis-server and to redraft, every reply compared; again: SEED=number. What differs is cut down
# and kept in a file, which FILE=path plays again. Then, of a tenth as many, what those are told who listen, and who is served of those that wait.
# `make test` plays the same sequences each time: a habit of Redis's that nobody has met yet is found here.
COMMANDS ?= $(if $(FILE),0,1000000)
BESIDE   := $(call programs,$(addprefix redis-tests/test_,oracle.c notify.c blocking_order.c))
DIFF_ENV  = $(TEST_ENV) REDRAFT_SEED=$(DIFF_SEED)

diff-redis: DIFF_SEED := $(or $(SEED),$(shell echo $$((RANDOM * 32768 + RANDOM))))
diff-redis: $(REDRAFT) $(BESIDE)
	@$(DIFF_ENV) REDRAFT_COMMANDS=$(COMMANDS) $(if $(FILE),REDRAFT_FILE=$(FILE)) $(word 1,$(BESIDE))
ifndef FILE
	@$(DIFF_ENV) REDRAFT_COMMANDS=$$(($(COMMANDS) / 10)) $(word 2,$(BESIDE))
	@$(DIFF_ENV) REDRAFT_STEPS=$$(($(COMMANDS) / 10)) $(word 3,$(BESIDE))
endif

# Whole nodes in a world that fails: SEEDS runs of STEPS steps from seed FIRST on; one again, written out: SEED=number; with a planted
# bug: PLANT=name. sim-plants shows for each of the bugs which seed finds it.
SEEDS ?= 200
STEPS ?= 20000
FIRST ?= 1
SIM_ARGS = --steps $(STEPS) $(if $(PLANT),--plant $(PLANT)) \
           $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FIRST) --jobs $(JOBS))

sim: $(SIM_PROGRAM)
	@$(SIM_PROGRAM) $(SIM_ARGS)

sim-plants: $(SIM_PROGRAM)
	@$(SIM_PROGRAM) --plants --seeds $(SEEDS) --steps $(STEPS)

# Real processes, each in a network of its own, under every fault there is, for so long; again: SEED=number.
SECONDS ?= 60
NODES   ?= 3

chaos: $(REDRAFT) $(CHAOS_SERVER) $(CHAOS_PROGRAM)
	@$(TEST_ENV) $(CHAOS_PROGRAM) --seconds $(SECONDS) --nodes $(NODES) $(if $(SEED),--seed $(SEED))

# Side by side with redis-server and etcd, into build/bench/. bench-check: a few of its loads, against the ratios that were recorded, and
# what a command costs, counted (bench-count alone: no peers, and no matter how busy the machine is).
BENCH_ENV = REDRAFT=$(REDRAFT) SLOWDISK=$(SLOWDISK) BARE=$(BARE)

bench: $(REDRAFT) $(BENCH_PROGRAM) $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM)

bench-aside: $(REDRAFT) $(BENCH_PROGRAM) $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --aside

bench-collections: $(REDRAFT) $(BENCH_PROGRAM) $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --collections

bench-checkpoints: $(REDRAFT) $(BENCH_PROGRAM)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --checkpoints

bench-scale: $(REDRAFT) $(BENCH_PROGRAM)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --scale

bench-sustained: $(REDRAFT) $(BENCH_PROGRAM) $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --sustained

# Builds and settings beside one another, in turns: make bench-turns WITH="redis always, redraft, ../before/build/redraft --raft-busy-poll-time 0".
LOADS ?= SET 1, SET 50, SET 200, SET 50 x 16, GET 1, GET 50, GET 50 x 16
WITH  ?= redis always, redraft

bench-turns: $(REDRAFT) $(BENCH_PROGRAM) $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --turns "$(LOADS)" "$(WITH)"

MINUTES ?= 30

bench-day: $(REDRAFT) $(BENCH_PROGRAM)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --day $(MINUTES)

bench-check: bench-count $(SLOWDISK) $(BARE)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --check redis-tests/bench/recorded

bench-count: $(REDRAFT) $(BENCH_PROGRAM)
	@$(BENCH_ENV) $(BENCH_PROGRAM) --count redis-tests/bench/recorded/counters.csv

# The store's log alone: latency, bytes, system calls and CPU of a commit.
bench-log: $(BENCH_LOG)
	@mkdir -p $(BUILD)/bench/log
	@$(BENCH_LOG) --csv $(BUILD)/bench/log.csv $(BUILD)/bench/log

# Both compilers first, with warnings as errors.
lint: | $(BUILD)/.setup-lint
	@$(MAKE) --no-print-directory objects $(BUILD)/lint-gcc/redraft CC=gcc SANITIZE= BUILD=$(BUILD)/lint-gcc CFLAGS="-O2 -g -Werror" LTO="$(OPTIMIZED)"
	@$(MAKE) --no-print-directory objects CC=clang SANITIZE= BUILD=$(BUILD)/lint-clang CFLAGS="-O1 -Werror -Wno-string-concatenation"
	@tests/lint.sh $(BUILD)/lint-gcc/plain

objects: $(call objects,$(EVERY_C))

# Each fuzzer runs for FUZZ_SECONDS, from tests/fuzz/corpus/ and what earlier runs have learnt; what it finds stays in build/fuzz/.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS   := $(LANGUAGE) -O1 -g -pthread -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

$(BUILD)/fuzz/%: tests/fuzz/%.c $(SOURCES) | $(BUILD)/.setup-lint
	@mkdir -p $(@D)
	@echo "  FUZZ  $@"
	@clang $(FUZZ_FLAGS) $(filter-out src/main.c,$(filter %.c,$^)) $(LIBS) -o $@

fuzz: $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ))
	@for program in $^; do mkdir -p $$program.corpus; echo "  RUN   $$program for $(FUZZ_SECONDS) s"; \
	    $$program -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 -artifact_prefix=$$program- \
	        $$program.corpus $$(ls -d tests/fuzz/corpus/$${program##*fuzz_} 2>/dev/null) || exit 1; done

# ---- install, clean, help --------------------------------------------------------------------------------------

install: $(REDRAFT)
	install -D -m 755 $(REDRAFT) $(DESTDIR)$(PREFIX)/bin/redraft
	install -d $(DESTDIR)$(PREFIX)/share/redraft/conf
	install -m 644 conf/*.conf $(DESTDIR)$(PREFIX)/share/redraft/conf

clean:
	rm -rf $(BUILD)

help:
	@echo "make              builds build/redraft"
	@echo "make run          starts the three nodes of conf/ on 127.0.0.1:7101-7103; PORT=9000 moves them, FRESH=1 starts empty"
	@echo "make kill-leader  kills -9 the leader of the nodes that \`make run\` started (in a second terminal)"
	@echo "make demo         a writer, five leader kills, one line: acknowledged, found, lost, longest pause"
	@echo "make test         every test; the last line counts them"
	@echo "make check        the tests that take under a minute"
	@echo "make clients      real clients and applications, each through a leader's death: ONLY=\"redis-py sentinel\""
	@echo "make diff-redis   every reply compared with redis-server's: COMMANDS=1000000 SEED=number; FILE=path plays what was kept"
	@echo "make sim          whole nodes in a world that fails: SEEDS=200 STEPS=20000 FIRST=1; one again, written out: SEED=number"
	@echo "make sim-plants   planted bugs, and the seed that finds each"
	@echo "make chaos        real processes, killed, stopped, partitioned, with disks that fail: SECONDS=60 NODES=3|5 SEED=number (needs root)"
	@echo "make lint         warnings as errors, format, static analysis, includes, purity, lengths"
	@echo "make bench        side by side with redis-server and etcd, into build/bench/"
	@echo "make bench-aside  of that only fail-over, memory, restart and checkpoints"
	@echo "make bench-collections  memory of small and large collections; large ones that are written to"
	@echo "make bench-checkpoints  of that only checkpoints under load"
	@echo "make bench-scale  how it grows with keys, connections and nodes; make bench-sustained: writes that go on, the slowest second"
	@echo "make bench-turns LOADS='SET 1, SET 50 x 16' WITH='redraft, ../before/build/redraft'  builds in turns"
	@echo "make bench-day MINUTES=30: mixed load, and what it leaves"
	@echo "make bench-check  a few of those loads, and bench-count: 1 when a ratio fell by more than a fifth"
	@echo "make bench-count  instructions, system calls, fsyncs and bytes of a command: 1 when one grew by more than a tenth"
	@echo "make bench-log    the store's log alone: latency, bytes, system calls and CPU of a commit"
	@echo "make fuzz         each fuzzer for FUZZ_SECONDS=60"
	@echo "make setup        installs the packages that are missing (the others do so by themselves)"
	@echo "make install      PREFIX=/usr/local DESTDIR="
	@echo "make clean        removes build/ (never data/)"
	@echo
	@echo "SANITIZE=address,undefined or SANITIZE=thread with any of them; JOBS=N; BUILD=directory; CC=clang"
