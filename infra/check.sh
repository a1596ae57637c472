#!/bin/sh
# One vocabulary of checks for the laptop, the commit hook and CI.
#
#   infra/check.sh                      format, lint and types
#   infra/check.sh format lint          only these
#   infra/check.sh tests -k gate        the tests; what follows goes to pytest
set -eu
cd "$(dirname "$0")/.."

# Compiled once, and kept: the install compiles only what the commands import.
unset PYTHONDONTWRITEBYTECODE

bin=.venv/bin
if [ ! -x "$bin/ruff" ]; then
    echo "infra/check.sh needs .venv. Type: make check" >&2
    exit 2
fi

[ $# -gt 0 ] || set -- format lint types
while [ $# -gt 0 ]; do
    case $1 in
        format) "$bin/ruff" format --check --quiet . || { echo "Mend the files above with: .venv/bin/ruff format ." >&2; exit 1; } ;;
        lint)
            "$bin/ruff" check --quiet .
            # Its banner is shown only with a broken contract.
            report=$("$bin/lint-imports" --no-cache) || { echo "$report" >&2; exit 1; } ;;
        types) "$bin/mypy" --no-error-summary ;;
        tests) shift; exec "$bin/python" -m pytest -q --durations=8 -n "${TEST_WORKERS:-2}" --dist loadfile --no-loadscope-reorder "$@" ;;
        *) echo "infra/check.sh knows format, lint, types and tests, not: $1" >&2; exit 2 ;;
    esac
    shift
done
