"""Torch modules become ONNX graphs, and are compared with them."""
