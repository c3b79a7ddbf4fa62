"""What this machine can do, found without importing torch."""

from pathlib import Path


def has_gpu() -> bool:
    """Whether an NVIDIA driver is loaded."""
    return Path("/dev/nvidiactl").exists()


def has_bfloat16() -> bool:
    """Whether bfloat16 products run in hardware: an NVIDIA GPU, or a CPU with AVX-512 BF16, AMX or Arm's BF16."""
    if has_gpu():
        return True
    try:
        text = Path("/proc/cpuinfo").read_text()
    except FileNotFoundError:  # not Linux
        return False
    lines = (line.partition(":")[2] for line in text.splitlines() if line.startswith(("flags", "Features")))
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(next(lines, "").split()))
