# make run    set up and talk          make test   set up and run every check
# make setup  only set up              make bench  set up and measure all, under 20 minutes
# ARGS="..."  is handed to `voice run` or to `scripts/bench.py all`
.PHONY: help run test setup bench
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

setup:
	@scripts/setup

run:
	@scripts/setup
	@exec .venv/bin/voice run $(ARGS)

test:
	@scripts/setup --test
	@exec scripts/check

bench:
	@scripts/setup --test
	@exec .venv/bin/python scripts/bench.py all $(ARGS)
