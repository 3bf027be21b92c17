"""Stand-in for Triton's C++ `onnxruntime` backend, which no package index has: a python-based backend.

Triton looks for libtriton_onnxruntime.so first and for this file only then, so the same repository runs unchanged on
the stock image. It refuses at load time what the C++ backend refuses.
"""

import json
import os
import time

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb

LEVELS = {-1: "ORT_ENABLE_BASIC", 0: "ORT_ENABLE_ALL", 1: "ORT_ENABLE_EXTENDED", 2: "ORT_DISABLE_ALL"}
TYPES = {"TYPE_UINT8": "uint8", "TYPE_INT32": "int32", "TYPE_INT64": "int64", "TYPE_FP32": "float"}


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        options = ort.SessionOptions()
        options.intra_op_num_threads = int(_parameter(config, "intra_op_thread_count", "1"))
        level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, LEVELS[level])
        self.delay_s = float(_parameter(config, "stand_in_delay_s", "0"))
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.batched = int(config.get("max_batch_size", 0)) > 0
        self.inputs = [entry["name"] for entry in config["input"]]
        self.outputs = [entry["name"] for entry in config["output"]]
        for kind, entries, tensors in (
            ("input", config["input"], self.session.get_inputs()),
            ("output", config["output"], self.session.get_outputs()),
        ):
            self._check(kind, entries, {tensor.name: tensor for tensor in tensors})

    def _check(self, kind, entries, tensors):
        if {entry["name"] for entry in entries} != set(tensors):
            raise pb.TritonModelException(f"configuration and model differ in their {kind}s: {sorted(tensors)}")
        for entry in entries:
            tensor = tensors[entry["name"]]
            wanted = ([-1] if self.batched else []) + [int(size) for size in entry["dims"]]
            shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
            fits = len(wanted) == len(shape) and all(b in (a, -1) for a, b in zip(wanted, shape))
            if not fits or f"tensor({TYPES[entry['data_type']]})" != tensor.type:
                raise pb.TritonModelException(f"{kind} {entry['name']}: {wanted} does not fit the model's {shape}")

    def execute(self, requests):
        time.sleep(self.delay_s)  # tests make a slow server of it
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        try:
            feeds = {name: pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
            values = self.session.run(self.outputs, feeds)
        except Exception as error:  # one bad request must not take the others down
            return pb.InferenceResponse(error=pb.TritonError(f"onnx runtime error: {error}"))
        tensors = [pb.Tensor(name, np.ascontiguousarray(value)) for name, value in zip(self.outputs, values)]
        return pb.InferenceResponse(tensors)


def _parameter(config, key, default):
    return config.get("parameters", {}).get(key, {}).get("string_value", default)
