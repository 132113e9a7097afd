# `make` shows what there is.
.PHONY: help install test slow lowest lint format types docs bench demo

help:
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/'

install: ## install for development, with the versions that the tests ran with
	pip install -e ".[dev]" -c constraints.txt && pre-commit install

test: ## run the quick tests on all cores
	pytest -n auto -m "not slow"

slow: ## run the others: whole fits and commands, real servers, official clients, models and data
	pytest -n auto -m slow

lowest: ## run the quick tests on the lowest versions that are declared
	python3.11 -m venv .venv/lowest && .venv/lowest/bin/pip install -q -e ".[test]" -c constraints-lowest.txt \
	  && .venv/lowest/bin/python -m pytest -q -n auto -m "not slow" -p no:cacheprovider

lint: ## check style
	ruff check . && ruff format --check .

format: ## mend style
	ruff check --fix . && ruff format .

types: ## check types
	mypy

docs: ## build the site into site/, warnings as errors (pip install -e ".[docs]")
	python -W ignore -m sphinx -W --keep-going -q -b html -c docs . site

bench: ## estimators against theory; the other benchmarks need models and data, see their first lines
	python benchmarks/estimators.py

demo: ## a task on which a box helps, and one on which it does not
	rebox demo
