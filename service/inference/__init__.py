"""Runs graphs: tensors and their specs, the client protocol, onnxruntime and Triton."""
