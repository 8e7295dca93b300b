"""How many faults do the tests notice? One-line faults, chosen by a seed, put into a copy of the tree one at a time.

    make mutants                                  100 faults over all packages
    make mutants PACKAGES=console COUNT=10 SEED=7
    python -m tests.bench.mutants --only console/ledger/fold.py --count 5 --quick

The faults are those of Cosmic Ray (docs/adr/0707-mutants.md says why, and how they are chosen). A fault is noticed when a test of
its package fails or hangs: first the tests that name the faulty module run, then the others, then those with real components (not
with --quick). Survivors go to standard error with file, line and difference; the result is one JSON line on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from tests.bench.faults import Fault, equivalent, faults

ROOT = Path(__file__).parents[2]
PACKAGES = {  # package -> where its own tests are
    "router": ("tests/router", "tests/sim", "tests/contract", "tests/properties"),
    "media": ("tests/media",),
    "console": ("tests/console",),
    "sip": ("tests/sip",),
    "ops": ("tests/ops", "tests/contract/test_facts.py"),
}
PLAIN, REAL = "not real", "real"
FAILED = (1, 2)  # pytest: a test failed; a module cannot be imported
NOTHING_RUN = 5


@dataclass(slots=True)
class Tree:
    """A copy of the tree, with a temporary folder of its own."""

    folder: Path
    seconds: dict[tuple[str, str], float] = field(default_factory=dict)  # (package, mark) -> what the tests take without a fault

    @classmethod
    def copy(cls, folder: Path) -> Tree:
        """Everything that git knows or would take."""
        words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
        for name in filter(None, names):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        return cls(folder)

    def failure(self, tests: Sequence[str], mark: str, limit_s: float) -> str:
        """How one of these tests fails, cannot be imported, or is not over in time; "" if none does."""
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", mark, *tests]
        paths = f"{self.folder}{os.pathsep}{self.folder / 'proto'}"
        more = {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "TIERLINE_SHRINK": "0", "TIERLINE_SEED": "0"}
        with tempfile.TemporaryDirectory(prefix="m") as room:  # short: sockets go below it
            run = subprocess.Popen(
                words,
                cwd=self.folder,
                env=os.environ | more | {"TMPDIR": room},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            try:
                told = run.communicate(timeout=limit_s)[0]
            except subprocess.TimeoutExpired:
                _end(run)
                return f"not over after {limit_s:.0f} s"
        if run.returncode in (0, NOTHING_RUN):
            return ""
        if run.returncode not in FAILED:
            raise RuntimeError(f"pytest ended with {run.returncode}:\n{told[-3000:]}")
        return told[-3000:]

    def measure(self, package: str, mark: str) -> None:
        """Run a package's tests without a fault. Raises RuntimeError if they fail."""
        began = time.monotonic()
        if told := self.failure(PACKAGES[package], mark, 3600):
            raise RuntimeError(f"the tests of {package} ({mark}) fail without any fault:\n{told}")
        self.seconds[package, mark] = time.monotonic() - began

    def notices(self, fault: Fault, marks: Sequence[str]) -> bool:
        """Whether the tests of its package notice a fault."""
        path = self.folder / fault.file
        path.write_text(fault.after, encoding="utf-8")
        package = fault.file.partition("/")[0]
        try:
            for mark in marks:
                limit_s = 60 + 3 * self.seconds.get((package, mark), 300)
                if self.failure([*self.nearest(fault), *PACKAGES[package]], mark, limit_s):
                    return True
        finally:
            path.write_text(fault.before, encoding="utf-8")
        return False

    def nearest(self, fault: Fault) -> list[str]:
        """Test files of the package that name the module: they run first."""
        module = fault.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        named = (f"{module} import", f"{module.rpartition('.')[0]} import {module.rpartition('.')[2]}")
        files = (
            path for place in PACKAGES[fault.file.partition("/")[0]] for path in sorted((self.folder / place).rglob("test_*.py"))
        )
        return [path.relative_to(self.folder).as_posix() for path in files if any(name in path.read_text() for name in named)]


def _end(run: subprocess.Popen[str]) -> None:
    """Pytest ends what it started when it is told to stop; a test that hangs for good is killed."""
    run.terminate()
    try:
        run.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()


def judged(chosen: Sequence[Fault], trees: Sequence[Tree], marks: Sequence[str]) -> Iterator[tuple[Fault, bool]]:
    """Each fault, and whether it was noticed, in the order of choice; as many at once as there are trees."""
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def judge(fault: Fault) -> bool:
        tree = free.get()
        try:
            return tree.notices(fault, marks)
        finally:
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        yield from zip(chosen, pool.map(judge, chosen), strict=True)


def main() -> int:
    """The command."""
    asked = _arguments()
    modules = _modules(asked.packages, asked.only)
    chosen = list(faults(ROOT, modules, asked.count, random.Random(asked.seed)))
    if asked.show:
        print("\n".join(fault.told() for fault in chosen))
        return 0
    survivors = _survivors(chosen, asked)
    argued = [fault for fault in survivors if equivalent(fault)]
    for fault in survivors:
        print(f"\n{fault.told()}{'  (equivalent)' if fault in argued else ''}", file=sys.stderr)
    noticed = len(chosen) - len(survivors)
    print(json.dumps({"bench": "mutants", "faults": len(chosen) - len(argued), "noticed": noticed, "seed": asked.seed}))
    return 0


def _survivors(chosen: Sequence[Fault], asked: argparse.Namespace) -> list[Fault]:
    """Those that no test noticed. Raises RuntimeError if tests fail without a fault."""
    marks = (PLAIN,) if asked.quick else (PLAIN, REAL)
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Tree.copy(Path(folder) / f"tree{n}") for n in range(asked.jobs)]
        for package in sorted({fault.file.partition("/")[0] for fault in chosen} if not asked.unproved else ()):
            for mark in marks:
                trees[0].measure(package, mark)
        for tree in trees:
            tree.seconds = trees[0].seconds
        for fault, noticed in judged(chosen, trees, marks):
            survivors += [] if noticed else [fault]
            print(f"{'noticed ' if noticed else 'SURVIVED'} {fault.file}:{fault.line}", file=sys.stderr, flush=True)
    return survivors


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Put faults into the product and see whether its tests notice them.")
    parser.add_argument("--packages", nargs="+", choices=PACKAGES, default=list(PACKAGES), help="all without it")
    parser.add_argument("--only", default="", help="only modules whose path begins so, like console/ledger")
    parser.add_argument("--count", type=int, default=100, help="how many faults (100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same faults in the same tree (1)")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once (1)")
    parser.add_argument("--quick", action="store_true", help="without the tests that start real components")
    parser.add_argument("--unproved", action="store_true", help="do not run the tests without a fault first")
    parser.add_argument("--show", action="store_true", help="show the faults and do nothing")
    return parser.parse_args()


def _modules(packages: Sequence[str], only: str) -> list[str]:
    found = (path.relative_to(ROOT).as_posix() for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    return [name for name in found if name.startswith(only)]


if __name__ == "__main__":
    raise SystemExit(main())
