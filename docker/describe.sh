#!/bin/sh
# describe.sh PYTHON FOLDER: writes a CycloneDX SBOM and a list of licenses of the environment of PYTHON.
# cyclonedx-py and pip-licenses must be on PATH; both come from requirements/image.txt.
set -eu
mkdir -p "$2"
cyclonedx-py environment --output-reproducible --output-format JSON --output-file "$2/sbom.cdx.json" "$1"
pip-licenses --python="$1" --from=mixed --with-urls --format=markdown --output-file="$2/licenses.md"
