#!/bin/sh
# slim.sh SITE-PACKAGES: removes files that a running service never reads. The bundled libraries (*.libs) are not
# stripped: they were patched after linking, which strip can break, and little would be saved.
set -eu
find "$1" -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
find "$1" -type d \( -name tests -o -name __pycache__ \) -prune -exec rm -rf {} +
find "$1" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.a' -o -name '*.h' \) -delete
# onnxruntime's tools for preparing models
rm -rf "$1/onnxruntime/transformers" "$1/onnxruntime/quantization" "$1/onnxruntime/tools"
