"""The kernels by themselves: sanitized, for different processors, and every branch of them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "dsp/kernels"
SOURCE = ROOT / "tests/kernels_fuzz.c"
COMPILER = shutil.which("cc") or ""
ROUNDS = "3000"
SAME_BITS = ["-std=c99", "-ffp-contract=off"]  # what every build of the kernels has in common
BUILDS = {
    "as shipped": ["-O3"],
    "no clones": ["-O1", "-DONE_TARGET"],
    "sanitized": ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
}

# Each function once, in each precision, whether or not it is called.
MEASURED = ["-O0", "--coverage", "-DONE_TARGET", "-fkeep-inline-functions"]
MEASURED += ["-fkeep-static-functions"]

pytestmark = pytest.mark.skipif(not COMPILER, reason="needs a C compiler, cc")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every build of the fuzz program; they compile side by side."""
    folder = tmp_path_factory.mktemp("kernels")
    programs = {name: folder / name.replace(" ", "_") for name in BUILDS}
    compilers = [
        subprocess.Popen(
            [COMPILER, *SAME_BITS, *flags, f"-I{KERNELS}", SOURCE, "-o", programs[name]]
        )
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


def is_of_gcc(tool: str) -> bool:
    """Tell whether a tool is there and GCC's: clang's measure differently."""
    if not shutil.which(tool):
        return False
    told = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True)
    return "Free Software Foundation" in told.stdout


@pytest.mark.skipif(
    not (is_of_gcc("cc") and is_of_gcc("gcov")), reason="needs GCC's cc and its gcov"
)
def test_every_branch_of_the_kernels_is_taken_in_each_precision(tmp_path: Path) -> None:
    program = tmp_path / "measured"
    subprocess.run(
        [COMPILER, *SAME_BITS, *MEASURED, f"-I{KERNELS}", SOURCE, "-o", program], check=True
    )
    written(program)
    (counts,) = tmp_path.glob("*.gcda")
    report = subprocess.run(
        ["gcov", "--branch-probabilities", "--json-format", "--stdout", counts],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    ).stdout
    files = {
        Path(file["file"]).name: file["lines"]
        for file in json.loads(report)["files"]
        if Path(file["file"]).parent == KERNELS
    }
    # A header without a function's body declares what the others share.
    bodies = re.compile(r"^\{", re.MULTILINE)
    headers = {
        path.name for path in KERNELS.glob("*.h") if bodies.search(path.read_text("utf-8"))
    }
    assert set(files) == headers
    untaken = {
        f"{name}:{line['line_number']} in {line['function_name']}"
        for name, lines in files.items()
        for line in lines
        if not line["count"] or not all(branch["count"] for branch in line["branches"])
    }
    assert not untaken
