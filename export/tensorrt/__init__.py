"""The model repository for TensorRT: graphs with fixed shapes in half precision, profiles, engines."""
