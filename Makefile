# Two commands do everything on a fresh Debian machine with make, python3 and python3-venv: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help env demo test check boot bundle check-arm hardening bench bench-bus bench-centre bench-store exchanges fuzz kills sim sim-broken torture lock needs witness clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

env: $(VENV)/ready ## make .venv with everything pinned

$(VENV)/ready: requirements/run.txt requirements/test.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt -r requirements/test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

witness: .venv-witness/ready ## an outside reader of our envelopes (cwt), in an environment of its own

.venv-witness/ready: requirements/witness.txt
	$(PYTHON) -m venv .venv-witness
	.venv-witness/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/witness.txt
	touch $@

needs: ## install or name the programs that the tests use
	scripts/needs

demo: env ## simulated meters, a broker, the gateway and the centre, all on this machine
	@trap : INT; $(BIN)/edge demo || test $$? -eq 130

test: env witness needs ## format, lint, types and every test
	./check

check: test

bench: env ## the first figures, written to docs/bench.md
	$(BIN)/python -m tests.bench

bench-bus: env ## the wire used to its limit, on a timed bus: minutes; written to docs/bench-bus.md
	$(BIN)/python -m tests.bench.bus

bench-store: env ## what the store costs: rate, bytes on disk, card and wire, memory, opening; to docs/bench-store.md
	$(BIN)/python -m tests.bench.store

bench-centre: env needs ## the centre on PostgreSQL: verify, decode, store; written to docs/bench-centre.md
	$(BIN)/python -m tests.bench.centre

exchanges: env ## random exchanges with all faults, each value judged; N=100000, SEED=n replays one
	N=$(or $(N),100000) $(BIN)/python -m tests.simulation

sim: env ## whole systems on virtual time with all faults, judged; SEEDS=10000 or MINUTES=20, SEED=n replays one
	@PYTHONHASHSEED=0 SEEDS=$(or $(SEEDS),1000) $(BIN)/python -m tests.simulation.whole

sim-broken: env ## each rule that keeps readings broken on purpose, and what caught it; RULE=delete-at-puback for one
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation.broken

torture: env needs ## power cuts: 1 500 for the store, 1 500 for the register; CUTS=n, SEED=n makes one again
	$(BIN)/python -m tests.torture

kills: env needs ## real processes killed at random, counted in PostgreSQL; MINUTES=3, SEED=n for the same plan
	@MINUTES=$(or $(MINUTES),3) $(BIN)/python -m tests.kills

bundle: env ## archives that install without a network, to dist/; ARCH=aarch64 for one, KEY=FILE signs
	$(BIN)/python -m scripts.bundle $(if $(ARCH),--arch $(ARCH)) $(if $(KEY),--key $(KEY))

check-arm: env ## whether every pinned requirement has a ready wheel for aarch64
	$(BIN)/python -m scripts.bundle --check --arch aarch64

hardening: env needs ## how far systemd counts each unit as closed, beside its bar
	@$(BIN)/python -m tests.systemd.units

boot: env needs ## the archive installed into a machine that boots for it (a container), and drills there; as root
	$(BIN)/python -m tests.boot

fuzz: env ## hostile bytes for every parser, an hour each; T=seconds, TARGET=name for one of them
	T=$(or $(T),3600) $(BIN)/python -m tests.fuzz

lock: ## write the pinned requirement files anew
	scripts/lock

clean:
	rm -rf $(VENV) .venv-witness build dist
