# make run    set up and talk          make test   set up and run every check
# make setup  only set up              ARGS="..."  is handed to `voice run`
.PHONY: help run test setup
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
