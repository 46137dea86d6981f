# tinygram: what Nagle's algorithm and the socket buffers do to your bytes.
# Read from top to bottom; `make help` lists the targets. Everything built goes into build/.

SHELL      := bash
VERSION    := 0.1.0
CFLAGS     ?= -O2 -g
PREFIX     ?= /usr/local
DESTDIR    ?=
EXPERIMENT ?=
FILE       ?=
PYTEST     ?=
BASE       ?=
NEW        ?=
GATE       ?=
PROVE      ?=
TREND      ?=
FUZZ_TIME  ?= 10
JOBS       ?= $(shell nproc)
# A python3 that has Debian's modules; asked for when it is used, after the missing ones were installed.
PYTHON     ?= $(shell harness/bootstrap.sh --python $(NEEDS))

# SANITIZE=1: a second program, beside the first, in which every memory error and every undefined step is fatal.
ifeq ($(SANITIZE),1)
BUILD      := build/sanitize
CHECKS     := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else
BUILD      := build
CHECKS     :=
endif
PROGRAM    := $(BUILD)/tinygram

LANGUAGE   := -std=c11 -D_POSIX_C_SOURCE=200809L -pthread -Itool
WARNINGS   := -Wall -Wextra
STRICT     := -Werror -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
NAMES      := -DTINYGRAM_VERSION=\"$(VERSION)\" -DTINYGRAM_CFLAGS=\""$(strip $(CFLAGS) $(CHECKS))"\"
COMPILE    := $(CC) $(LANGUAGE) $(WARNINGS) $(CPPFLAGS) $(CFLAGS) $(CHECKS) $(NAMES)
LIBRARIES  := $(LDFLAGS) $(LDLIBS) -lm

SOURCES    := $(wildcard tool/*.c tool/lab/*.c)
OBJECTS    := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/lab_code.o
MODULES    := $(filter-out $(BUILD)/tool/main.o,$(OBJECTS))
TESTS      := $(patsubst tests/c/%.c,$(BUILD)/tests/%,$(wildcard tests/c/*.c))
FUZZ       := $(filter-out %/replay,$(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c)))
BARE       := $(BUILD)/bench/bare_loop $(BUILD)/bench/bare_exchange $(BUILD)/bench/preload_congestion.so
ALL_C      := $(SOURCES) $(wildcard tool/bench/*.c tests/c/*.c tests/fuzz/*.c)
ALL_H      := $(wildcard tool/*.h tool/lab/*.h tests/c/*.h tests/fuzz/*.h)
SCRIPTS    := .ci/run $(wildcard harness/*.sh tests/*.sh)

# V=1 shows the commands themselves.
QUIET      := $(if $(V),,@)

# Python writes its caches below build/ too, and no other python's path leaks in.
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
export TINYGRAM            := $(CURDIR)/$(PROGRAM)
export UBSAN_OPTIONS       := print_stacktrace=1

# One goal may use every CPU; several goals in one command stay one after the other, so that no timing is disturbed.
ifeq ($(word 2,$(MAKECMDGOALS)),)
MAKEFLAGS  += -j$(JOBS)
endif

build: $(PROGRAM) ## build build/tinygram (the default)

# What the goals need is looked for first. Those that run Python install what is missing; build only names it.
NEEDS      := build $(filter report test run lint bench fuzz,$(MAKECMDGOALS)) \
              $(if $(filter compare gate lab prove-gate trend,$(MAKECMDGOALS)),report)
needs:
	@harness/bootstrap.sh $(NEEDS)

# The flags of the last build: another compiler or another flag compiles everything again.
$(BUILD)/flags: needs
	@mkdir -p $(@D)
	@echo '$(COMPILE) $(LIBRARIES)' | cmp -s - $@ || echo '$(COMPILE) $(LIBRARIES)' > $@

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D) && echo "  compile $<"
	$(QUIET)$(COMPILE) -MMD -MP -c -o $@ $<

# The C that an entry of the lab shows is cut from its source, so that what is printed is what ran.
$(BUILD)/lab_code.c: tool/lab/code.awk $(wildcard tool/lab/*.c)
	@mkdir -p $(@D)
	$(QUIET)awk -f $^ > $@
$(BUILD)/lab_code.o: $(BUILD)/lab_code.c $(BUILD)/flags
	$(QUIET)$(COMPILE) -c -o $@ $<

$(PROGRAM): $(OBJECTS)
	@echo "  link    $@"
	$(QUIET)$(COMPILE) -o $@ $^ $(LIBRARIES)

# Each tests/c/X.c is one program, linked with every module of the tool but main.
$(BUILD)/tests/%: $(BUILD)/tests/c/%.o $(MODULES)
	@mkdir -p $(@D) && echo "  link    $@"
	$(QUIET)$(COMPILE) -o $@ $^ $(LIBRARIES)

# Each tests/fuzz/X.c is one target; without a fuzzer it runs the files that are named.
$(BUILD)/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(MODULES)
	@mkdir -p $(@D) && echo "  link    $@"
	$(QUIET)$(COMPILE) -o $@ $^ $(LIBRARIES)

# What the tool is measured against stands alone: no module of the tool is in it.
$(BUILD)/bench/%: tool/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D) && echo "  build   $@"
	$(QUIET)$(COMPILE) -o $@ $< $(LIBRARIES)
$(BUILD)/bench/%.so: tool/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D) && echo "  build   $@"
	$(QUIET)$(CC) $(LANGUAGE) $(WARNINGS) $(CFLAGS) -fPIC -shared -o $@ $<

-include $(OBJECTS:.o=.d) $(TESTS:$(BUILD)/tests/%=$(BUILD)/tests/c/%.d)

report: $(PROGRAM) ## run the standard experiments and write results/latest/report.html (EXPERIMENT=, FILE=)
	$(PYTHON) -m harness report $(EXPERIMENT) $(if $(FILE),--file $(FILE))

run: $(PROGRAM) ## run one experiment: make run EXPERIMENT=harness/experiments/smoke.toml (FILE=)
	$(if $(EXPERIMENT),,$(error Which experiment? Say for example: make run EXPERIMENT=harness/experiments/smoke.toml))
	$(PYTHON) -m harness run $(EXPERIMENT) $(if $(FILE),--file $(FILE))

compare: $(PROGRAM) ## set two stored runs side by side: make compare BASE=results/sndbuf/RUN NEW=results/sndbuf/RUN
	$(if $(and $(BASE),$(NEW)),,$(error Which two runs? Say for example: make compare BASE=results/sndbuf/RUN NEW=results/sndbuf/RUN))
	$(PYTHON) -m harness compare "$(BASE)" "$(NEW)"

# With sanitizers only what runs C: they see nothing of the rest.
TESTED     := $(if $(filter 1,$(SANITIZE)),$(shell grep -lE 'running|PROGRAM|TINYGRAM' tests/test_*.py),tests)
test: $(PROGRAM) $(TESTS) $(FUZZ) $(BARE) ## run every test (SANITIZE=1: with sanitizers; PYTEST="-k words" narrows)
	$(PYTHON) -m pytest -q $(PYTEST) $(TESTED)

# Its exit status is make's when it is not 0; `python3 -m harness gate` gives its own (0 pass, 1 regression, ...).
gate: needs ## tell whether the working tree is slower than a commit: make gate BASE=main (GATE="--new REF --seed N")
	$(PYTHON) -m harness gate $(BASE) --cc "$(CC)" --cflags "$(CFLAGS)" $(GATE)

prove-gate: needs ## run jobs of the gate of which the answer is known (PROVE="--kind K --jobs N --minutes M")
	$(PYTHON) -m harness prove-gate $(PROVE)

trend: needs ## draw the history of ratios to the anchor release (TREND="--append JOB.json")
	$(PYTHON) -m harness trend $(TREND)

lab: $(PROGRAM) ## try what textbooks say about sockets, measure ways to serve, write the page (LAB="--no-servers")
	$(PYTHON) -m harness.lab $(LAB)

bench: $(PROGRAM) $(BARE) ## measure the tool against bare loops and its peers (BENCH="--json FILE --rounds N")
	$(PYTHON) -m harness.bench $(BENCH)

# The targets under libFuzzer and sanitizers. What a target finds is left in build/fuzzer/found, and can be run again by
# naming the file; inputs that reached new code stay in build/fuzzer/X.d, so that the next call goes on from there.
fuzz: needs ## let libFuzzer look for input that breaks a parser (FUZZ_TIME=seconds for each)
	@$(MAKE) --no-print-directory BUILD=build/fuzzer CC=clang CFLAGS="-O1 -g" \
		CHECKS="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" $(FUZZ:$(BUILD)/fuzz/%=build/fuzzer/%)
	@mkdir -p build/fuzzer/found
	@for target in $(notdir $(FUZZ)); do \
		mkdir -p build/fuzzer/$$target.d && echo "  fuzz    $$target, $(FUZZ_TIME) s" && \
		build/fuzzer/$$target -max_total_time=$(FUZZ_TIME) -max_len=16384 -timeout=5 -verbosity=0 -print_final_stats=1 \
			-artifact_prefix=build/fuzzer/found/$$target- build/fuzzer/$$target.d tests/fuzz/seeds/$$target || exit 1; \
	done
build/fuzzer/%: build/fuzzer/tests/fuzz/%.o $(MODULES)
	@echo "  link    $@"
	$(QUIET)$(COMPILE) -fsanitize=fuzzer -o $@ $^ $(LIBRARIES)

docs: $(PROGRAM) ## write the option tables of README.md anew
	@$(PROGRAM) help --markdown > $(BUILD)/options.md
	@sed -i -e '/^<!-- options begin/,/^<!-- options end/{//!d}' -e '/^<!-- options begin/r $(BUILD)/options.md' README.md

$(BUILD)/tinygram.1: $(PROGRAM)
	@$(PROGRAM) help --man > $@

install: $(PROGRAM) $(BUILD)/tinygram.1 ## install the program and its man page (PREFIX=, DESTDIR=)
	install -D -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/tinygram
	install -D -m 644 $(BUILD)/tinygram.1 $(DESTDIR)$(PREFIX)/share/man/man1/tinygram.1

# One stamp a file and a checker: a second `make lint` looks only at what has changed.
LINT_C     := $(foreach checker,gcc clang format tidy,$(ALL_C:%=build/lint/%.$(checker))) $(ALL_H:%=build/lint/%.format)
lint: $(LINT_C) build/lint/cppcheck build/lint/python build/lint/shell build/lint/man ## check formats, warnings and types
	@echo "lint: nothing to complain about"

build/lint/%.gcc: % $(ALL_H) Makefile | needs
	@mkdir -p $(@D)
	$(QUIET)gcc $(LANGUAGE) $(WARNINGS) $(STRICT) -O2 $(NAMES) -c -o $@ $<
# clang takes an enum for unsigned and complains at each use as an index; gcc checks the conversions of sign.
build/lint/%.clang: % $(ALL_H) Makefile | needs
	@mkdir -p $(@D)
	$(QUIET)clang $(LANGUAGE) $(WARNINGS) $(STRICT) -Wno-sign-conversion -O2 $(NAMES) -c -o $@ $<
build/lint/%.format: % .clang-format | needs
	@mkdir -p $(@D)
	$(QUIET)clang-format --dry-run -Werror $< && touch $@
build/lint/%.tidy: % $(ALL_H) .clang-tidy | needs
	@mkdir -p $(@D)
	$(QUIET)clang-tidy --quiet $< -- $(LANGUAGE) $(NAMES) 2>&1 | grep -v 'warnings generated' ; test $${PIPESTATUS[0]} = 0 && touch $@
build/lint/cppcheck: $(ALL_C) $(ALL_H) Makefile | needs
	@mkdir -p $(@D)
	cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -Itool $(NAMES) tool && touch $@
build/lint/python: $(wildcard harness/*.py tests/*.py) setup.cfg | needs
	@mkdir -p $(@D)
	$(PYTHON) -m flake8 harness tests
	$(PYTHON) -m mypy --strict harness && touch $@
build/lint/shell: $(SCRIPTS) | needs
	@mkdir -p $(@D)
	shellcheck $(SCRIPTS) && touch $@
build/lint/man: build/tinygram.1
	@mkdir -p $(@D)
	mandoc -T lint -W warning $< && touch $@

format: ## lay the C files out as .clang-format says
	clang-format -i $(ALL_C) $(ALL_H)

clean: ## remove build/ (runs under results/ stay)
	rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: build needs report run compare test gate prove-gate trend lab bench fuzz docs install lint format clean help
