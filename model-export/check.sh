#!/bin/sh
# Runs ruff and pytest in a virtual environment of its own under target/.
#   sh check.sh test        the tests that need no torch
#   sh check.sh reference   all tests, with the live comparison with torch and transformers
set -eu
cd "$(dirname "$0")"
extra=${1:-test}

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "model-export needs Python 3.11 or newer; '$python' is $("$python" --version 2>&1 || echo missing)." >&2
    echo "Install it, name it with PYTHON=/path/to/python3, or skip the Python tests with -DskipPython." >&2
    exit 1
fi

venv=target/venv-$extra
stamp=$venv/installed
wanted=$(cat pyproject.toml check.sh | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    echo "model-export: making $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    case $extra in
        test) extras=test ;;
        reference) extras=test,train,reference ;;
        *) echo "check.sh knows 'test' and 'reference', not '$extra'." >&2; exit 2 ;;
    esac
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
    echo "$wanted" >"$stamp"
fi

"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
if [ "$extra" = test ]; then
    exec "$venv/bin/python" -m pytest -m 'not reference'
else
    exec "$venv/bin/python" -m pytest
fi
