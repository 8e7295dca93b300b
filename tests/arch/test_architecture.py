"""Rules of the house that nobody has to remember."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

from ops import cli
from tests.arch.tree import ROOT, name, product, texts, tracked

LIMIT = 500
GENERATED = ("proto/tierline/",)
CLOCKS = {
    "time": {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
OWN_CLOCKS = ("ops/clock.py", "sip/log_filter.py")  # the latter is started as a file of its own and imports nothing of the product
TOOLS = ROOT / ".venv" / "bin"


def test_only_ops_clock_reads_the_clock() -> None:
    """No product code calls time.time, datetime.now or their relatives; what needs the time is given it."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path, tree in product()
        if name(path) not in OWN_CLOCKS
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _reads_clock(node.func)
    ]
    assert found == []


def _reads_clock(func: ast.expr) -> bool:
    if not isinstance(func, ast.Attribute):
        return False
    owner = func.value.id if isinstance(func.value, ast.Name) else func.value.attr if isinstance(func.value, ast.Attribute) else ""
    return func.attr in CLOCKS.get(owner, ())


def test_nobody_imports_a_clock_by_name() -> None:
    """`from time import monotonic` would go around the check above."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path, tree in product()
        if name(path) not in OWN_CLOCKS
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time" and {one.name for one in node.names} & CLOCKS["time"]
    ]
    assert found == []


def test_files_stay_small() -> None:
    """No file of code has 500 lines or more."""
    suffixes = (".py", ".lua", ".js", ".css", ".html", ".sh", ".cfg", ".proto")
    sizes = {name(path): text.count("\n") for path, text in texts(*suffixes) if not name(path).startswith(GENERATED)}
    assert {path: size for path, size in sizes.items() if size >= LIMIT} == {}


def test_generated_code_is_fresh() -> None:
    """What protoc makes of the .proto files is what is committed."""
    said = subprocess.run(["ops/setup/protos.sh", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


def test_import_contracts_hold() -> None:
    """Layers and independence of the services, as pyproject.toml tells them."""
    said = subprocess.run([TOOLS / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


# Built from pieces, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~])/(?:" + "|".join(("work", "home", "root", "Users")) + r")/\w"),
    "a package registry": re.compile(
        r"https?://[^\s\"']*(?:" + "|".join(("py" + "pi", "python" + "hosted", "artifactory")) + ")", re.I
    ),
    "an index option": re.compile("--(?:extra-)?index-" + "url"),
    "work left for later": re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """Nothing in the repository names the machine it was written on or where packages came from, or puts work off."""
    found = [f"{name(path)}: {match[0]}" for path, text in texts() if (match := FORBIDDEN[what].search(text))]
    assert found == []


def test_every_test_says_what_it_proves() -> None:
    """Each test has a docstring."""
    silent = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path, text in texts(".py")
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_exception_is_swallowed() -> None:
    """`except: pass` and `except Exception: pass` hide what goes wrong."""
    found = [
        f"{name(path)}:{node.lineno}"
        for path, tree in product()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _swallows(node)
    ]
    assert found == []


def _swallows(node: ast.ExceptHandler) -> bool:
    if not all(isinstance(one, ast.Pass) for one in node.body):
        return False
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))


def _commands() -> Iterator[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield from cli.OWN
    yield from project["entry-points"]["tierline.commands"]


@pytest.mark.parametrize("command", list(_commands()))
def test_every_command_is_there_and_tells_its_options(command: str) -> None:
    """Each subcommand, ours and the services', imports and prints its help."""
    said = subprocess.run([sys.executable, "-m", "ops", command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0 and said.stdout.startswith(f"usage: tierline {command}"), said.stderr


def test_scripts_are_executable_and_parse() -> None:
    """Shell scripts can be run as they are, and a shell understands them."""
    scripts = [path for path in tracked() if path.suffix == ".sh" or name(path) == ".ci/run"]
    assert scripts
    for path in scripts:
        assert path.stat().st_mode & 0o100, f"{name(path)} is not executable"
        assert subprocess.run(["sh", "-n", path], check=False).returncode == 0, name(path)


def test_the_lock_has_hashes_and_no_addresses() -> None:
    """Every locked package has a hash, and the lock says nothing on where it came from."""
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text[text.index("\n") :])
    assert all("--hash=sha256:" in block for block in blocks if "==" in block)
    assert "://" not in text


def test_what_ci_runs_is_what_people_run() -> None:
    """.ci/run calls `make test` and sets nothing that people do not have."""
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', "exec make test"]
