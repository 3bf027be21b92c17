#!/bin/sh
# Write the hashed lock files anew from pyproject.toml; no index address goes into them.
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    uv pip compile --quiet --python-version 3.11 --python-platform linux --generate-hashes \
        --no-emit-index-url --no-header -o "requirements/$out" "$@"
}
compile service-cpu.txt pyproject.toml --extra cpu
compile service-gpu.txt pyproject.toml --extra gpu
compile dev.txt pyproject.toml --extra cpu --extra evaluation --extra dev
compile models.txt pyproject.toml --extra cpu --extra evaluation --extra dev --extra models
compile triton-test.txt requirements/triton-test.in --no-deps
