"""bfloat16 where the CPU computes in it."""

import torch


def autocast() -> torch.autocast:
    """Autocast to bfloat16 on CPUs that compute in it (AMX, AVX-512 BF16): a training step costs a third there.

    Elsewhere bfloat16 is emulated and a step costs four times as much, so everything stays float32.
    """
    capable = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(capable.get("amx_bf16") or capable.get("avx512_bf16")))
