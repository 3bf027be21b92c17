"""The second repository, for TensorRT: graphs of fixed shapes in half precision, profiles, engines."""
