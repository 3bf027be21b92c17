#!/bin/sh
# install.sh PYTHON VENV LOCKFILE [no-project]: a virtual environment from a hashed lock file.
# uv if it is on PATH or can be installed beside the environment, pip otherwise.
set -eu
python=$1 venv=$2 lock=$3 project=${4:-project}

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
uv=$(command -v uv || true)
if [ -z "$uv" ] && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv; then
    uv=$venv/bin/uv
fi

# The Triton wheel's own dependencies are not needed to run its server, so nothing outside the lock is pulled.
# Bytecode is written now: where Python may not write it later, every child that decodes would compile numpy again.
if [ -n "$uv" ]; then
    "$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --require-hashes --no-deps -r "$lock"
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock"
fi
if [ "$project" = project ]; then
    if [ -n "$uv" ]; then
        "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --editable .
    else
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
    fi
    "$venv/bin/python" -m compileall -q service evaluation
fi
touch "$venv/.done"
