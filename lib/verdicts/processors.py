"""Simulated processors: environment variables under which numerical libraries take other paths.

A library picks its kernels by what the processor can do: width of its registers, fused
multiply-add.  Their sums are rounded in another order, so the last digits differ, and with them
all that amplifies last digits.  No single variable makes a foreign processor; together these do.
"""

import json
import os
import platform
import subprocess
import sys

from verdicts.kernels import ENVIRONMENT

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# All that a processor here may set; what it does not set is unset.
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "NPY_DISABLE_CPU_FEATURES",
    "GLIBC_TUNABLES",
    *THREADS,
)


def _numpy_features():
    """The optional instruction sets that numpy has code for and this processor has."""
    from numpy._core import _multiarray_umath as umath

    return [f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f)]


def processors():
    """The processors that can be simulated on this machine: name -> variables, native ones first.

    ``native`` is the machine itself with one thread, ``threads`` with two.  ``nehalem`` (2008, no
    AVX), ``haswell`` (2013, AVX2 and fused multiply-add) and ``zen`` (its AMD counterpart) are
    simulated where the machine understands x86-64; elsewhere there are the native ones only.
    """
    one, two = (dict.fromkeys(THREADS, str(n)) for n in (1, 2))
    found = {"native": one, "threads": two}
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return found
    features = _numpy_features()
    wide = [f for f in features if "AVX512" in f or f == "X86_V4"]
    avx2 = {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "NPY_DISABLE_CPU_FEATURES": " ".join(wide),
    }
    found["nehalem"] = one | {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": " ".join(features),
        # exp, log, sin and pow of the C library, and so of Python's math and of scipy.special.
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    }
    found["haswell"] = one | avx2 | {"MKL_CBWR": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
    found["zen"] = one | avx2 | {"MKL_CBWR": "COMPATIBLE", "OPENBLAS_CORETYPE": "Zen"}
    return found


def environment(variables):
    """This process's environment with these variables, and without the others of VARIABLES."""
    clean = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    # An empty list of features to disable is not the same as none.
    chosen = {k: v for k, v in variables.items() if v}
    return clean | {k: v for k, v in ENVIRONMENT.items() if k not in THREADS} | chosen


_PROBE = """
import hashlib, json, math
import numpy as np
import scipy.linalg
draw = np.random.default_rng(0)
a, b, v = (draw.standard_normal(s) for s in ((150, 130), (130, 170), 100003))
values = {
    "numpy products": a @ b,
    "numpy functions": [np.exp(v), np.log(abs(v)), np.tanh(v)],
    "LAPACK": scipy.linalg.svdvals(a),
    "the C library": [[math.exp(x), math.sin(x), abs(x) ** 1.7] for x in v[:9999]],
}
try:
    import torch
    x, y, z = map(torch.from_numpy, (a, b, v))
    image = x[:128, :128].float().reshape(4, 16, 16, 16)
    values |= {
        "torch products": x @ y,
        "torch functions": [z.softmax(0), torch.nn.functional.silu(z)],
        "torch sums": z.sum(),
        "torch convolutions": torch.nn.functional.conv2d(
            image, y.float().ravel()[:16 * 16 * 9].reshape(16, 16, 3, 3)),
    }
except ImportError:
    pass
def digest(value):
    parts = value if isinstance(value, list) else [value]
    return hashlib.sha256(b"".join(np.asarray(p).tobytes() for p in parts)).hexdigest()
print(json.dumps({k: digest(value) for k, value in values.items()}))
"""


def probe(variables):
    """Digests of small computations, by library, in a new process under these variables."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)
