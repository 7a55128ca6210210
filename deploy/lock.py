"""Pin every dependency with its hashes: `make lock`.

From `pyproject.toml` come `requirements.lock` (to run), `requirements-build.lock` (to build), `requirements-demo.lock`
(what the demo portal adds) and `requirements-dev.lock` (to test and lint). Run it with Python 3.11, the oldest
supported: what only older interpreters need is in the files then, and newer ones install them as well. No index, host
or folder is written: where packages come from is the installer's setting.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Pinned with hashes by `make lock` from pyproject.toml. Do not edit.\n"
OPTIONS = [
    "--quiet",
    "--generate-hashes",
    "--allow-unsafe",
    "--strip-extras",
    "--no-header",
    "--no-emit-options",
    "--no-emit-index-url",
    "--no-emit-trusted-host",
    "--no-emit-find-links",
    "--annotation-style=line",
    "--resolver=backtracking",
    "--newline=lf",
]


def main() -> None:
    """Write the three lock files; `--upgrade` takes the newest versions, otherwise what is pinned stays pinned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    compile_lock("requirements.lock", project["project"]["dependencies"])
    compile_lock("requirements-build.lock", project["build-system"]["requires"])
    compile_lock("requirements-demo.lock", project["dependency-groups"]["demo"])
    compile_lock("requirements-dev.lock", project["dependency-groups"]["dev"])


def compile_lock(name: str, requirements: list[str]) -> None:
    """Resolve the requirements into one file; what the programs run with is the same in all of them."""
    constraints = [] if name == "requirements.lock" else ["--constraint", "requirements.lock"]
    subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "piptools", "compile", *OPTIONS, *constraints, *sys.argv[1:], "-o", name, "-"],
        input="\n".join(requirements),
        text=True,
        check=True,
        cwd=ROOT,
    )
    path = ROOT / name
    text = path.read_text().removeprefix(HEADER).replace("# via -r -", "# via pyproject.toml")
    path.write_text(HEADER + text)


if __name__ == "__main__":
    main()
