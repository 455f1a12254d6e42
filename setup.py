"""Build of the Cython modules; TRACE=1 builds them line-traced, for coverage."""

import os
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

trace = "TRACE" in os.environ
# -ffp-contract=off and no -march: the same bits on every machine, and later on a Cortex-M.
flags = ["-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno"]
# CPython's own flags let int wrap, which hides from gcc that lanes lie side by side.
flags += ["-fno-wrapv"]
macros = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
if trace:
    macros.append(("CYTHON_TRACE_NOGIL", "1"))


def component(package: str, folder: str) -> Extension:
    """Every Cython module of one component's package."""
    return Extension(
        f"{package}.*",
        [f"{folder}/{package}/*.pyx"],
        include_dirs=["dsp/kernels", np.get_include()],
        depends=[str(path) for path in Path("dsp/kernels").glob("*.h")],
        extra_compile_args=flags,
        define_macros=macros,
    )


setup(
    ext_modules=cythonize(
        [
            component("stimloop_dsp", "dsp"),
            component("stimloop_hw", "hardware"),
            component("stimloop_sim", "firmware_sim"),
        ],
        include_path=["dsp", "hardware", "firmware_sim"],
        force=trace,
        compiler_directives={"linetrace": trace, "language_level": 3},
    )
)
