#!/bin/sh
# Write the hashed lock files anew from pyproject.toml; no index address goes into them.
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    uv pip compile --quiet --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-header --overrides requirements/overrides.in -o "requirements/$out" "$@"
}
compile service-cpu.txt --python-platform linux pyproject.toml --extra cpu
compile service-gpu.txt --python-platform linux pyproject.toml --extra gpu
compile dev.txt --python-platform linux pyproject.toml --extra cpu --extra evaluation --extra dev
compile models.txt --python-platform linux pyproject.toml --extra cpu --extra evaluation --extra dev --extra models --extra tensorrt-check
compile docs.txt --python-platform linux pyproject.toml --extra cpu --extra evaluation --extra docs
# its wheel wants a newer glibc than the rest
compile triton-test.txt requirements/triton-test.in --no-deps --python-platform x86_64-manylinux_2_36
# needs an older typer than the service
compile generators.txt requirements/generators.in --python-platform linux
compile browser-test.txt requirements/browser-test.in -c requirements/dev.txt --python-platform linux
compile mutants.txt requirements/mutants.in -c requirements/dev.txt --python-platform linux
compile image.txt requirements/image.in --python-platform linux
compile compose-test.txt requirements/compose-test.in -c requirements/dev.txt --python-platform linux
