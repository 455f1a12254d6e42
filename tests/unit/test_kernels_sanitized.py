"""The kernels by themselves, under the compiler's sanitizers and for different processors."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = shutil.which("cc") or ""
ROUNDS = "3000"
SAME_BITS = ["-std=c99", "-ffp-contract=off"]  # what every build of the kernels has in common
BUILDS = {
    "as shipped": ["-O3"],
    "no clones": ["-O1", "-DONE_TARGET"],
    "sanitized": ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}

pytestmark = pytest.mark.skipif(not COMPILER, reason="needs a C compiler, cc")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every build of the fuzz program; they compile side by side."""
    folder = tmp_path_factory.mktemp("kernels")
    source = ROOT / "tests/kernels_fuzz.c"
    include = f"-I{ROOT / 'dsp/kernels'}"
    programs = {name: folder / name.replace(" ", "_") for name in BUILDS}
    compilers = [
        subprocess.Popen([COMPILER, *SAME_BITS, *flags, include, source, "-o", programs[name]])
        for name, flags in BUILDS.items()
    ]
    assert [compiler.wait() for compiler in compilers] == [0] * len(BUILDS)
    return programs


def written(program: Path) -> str:
    """Return the hash of all that the kernels wrote; a sanitizer's fault is an error."""
    return subprocess.run([program, ROUNDS], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("build", ["no clones", "sanitized"])
def test_every_build_of_the_kernels_writes_the_same_bits_and_has_no_fault(
    programs: dict[str, Path], build: str
) -> None:
    assert written(programs[build]) == written(programs["as shipped"])
