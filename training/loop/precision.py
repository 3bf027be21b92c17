"""bfloat16 where the device computes in it."""

import torch


def autocast(device: torch.device | str = "cpu") -> torch.autocast:
    """Autocast to bfloat16 on GPUs, and on CPUs that compute in it (AMX, AVX-512 BF16): a step costs a third there.

    On other CPUs bfloat16 is emulated and a step costs four times as much, so everything stays float32.
    """
    kind = torch.device(device).type
    if kind != "cpu":
        return torch.autocast(kind, torch.bfloat16)
    capable = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(capable.get("amx_bf16") or capable.get("avx512_bf16")))


def best_device() -> torch.device:
    """The first GPU, its float32 matrix products in TF32, or the CPU where there is none."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")
