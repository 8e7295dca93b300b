"""One-line faults for tests.bench.mutants: chosen evenly over lines of code, then over the places of a file, by a seed."""

from __future__ import annotations

import ast
import difflib
import random
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ARGUED = Path(__file__).parent / "equivalent.toml"
TUNED = 10  # a number from here on is tuned, not promised: that it is one larger or smaller breaks nothing
TRIES = 30  # places of a file that are tried before another file is taken


@dataclass(frozen=True, slots=True)
class Fault:
    """A file with one fault in it."""

    file: str
    line: int
    before: str
    after: str

    def change(self) -> tuple[str, str]:
        """The lines that differ, without their indentation: as they were, as they are."""
        lines = list(difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0))[3:]
        old, new = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
        return "\n".join(old), "\n".join(new)

    def told(self) -> str:
        """For people."""
        old, new = self.change()
        return f"{self.file}:{self.line}\n- {old}\n+ {new}"


def faults(root: Path, modules: Sequence[str], count: int, chance: random.Random) -> Iterator[Fault]:
    """At most `count` different faults. A file is chosen by its length, a line of it at most once."""
    sources = {name: (root / name).read_text(encoding="utf-8") for name in modules}
    weights = [len(text.splitlines()) for text in sources.values()]
    seen: set[tuple[str, int]] = set()
    for _ in range(count * 20):
        if len(seen) >= count or not any(weights):
            return
        name = chance.choices(list(sources), weights)[0]
        found = _fault(name, sources[name], chance, seen)
        if found is not None:
            seen.add((name, found.line))
            yield found


def _fault(name: str, source: str, chance: random.Random, seen: set[tuple[str, int]]) -> Fault | None:
    places = sorted(_places(source).items())
    chance.shuffle(places)
    for (line, _, _), ways in places[:TRIES]:
        if (name, line) in seen:
            continue
        operator, occurrence = chance.choice(ways)
        after = mutate_code(source, get_operator(operator)(), occurrence)
        if after is not None and _differs(source, after):
            return Fault(name, line, source, after)
    return None


def _places(source: str) -> dict[tuple[int, int, str], list[tuple[str, int]]]:
    """(line, column, kind of fault) -> the operators and occurrences that change it."""
    nodes = list(ast_nodes(get_ast(source)))
    places: dict[tuple[int, int, str], list[tuple[str, int]]] = {}
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue  # needs to be told what to replace
        kind = name.partition("/")[2].partition("_")[0]
        positions = ((node, start) for node in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, (node, start) in enumerate(positions):
            if kind != "NumberReplacer" or float(ast.literal_eval(node.value)) < TUNED:
                places.setdefault((*start, kind), []).append((name, occurrence))
    return places


def _differs(before: str, after: str) -> bool:
    """Whether a program may behave otherwise: it can be compiled, and more than annotations changed."""
    try:
        return _meaning(before) != _meaning(after)
    except SyntaxError:
        return False


@cache
def _meaning(source: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(source)))


class _Bare(ast.NodeTransformer):
    """Takes off what no program shows: annotations, and what decorators are told (slots, frozen, cache sizes)."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [_undetailed(one) for one in node.decorator_list]
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [_undetailed(one) for one in node.decorator_list]
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [_undetailed(one) for one in node.decorator_list]
        return self.generic_visit(node)


def _undetailed(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def equivalent(fault: Fault) -> bool:
    """Whether equivalent.toml argues that no test can notice it."""
    argued = tomllib.loads(ARGUED.read_text(encoding="utf-8")).get("fault", [])
    return any((one["file"], one["old"], one["new"]) == (fault.file, *fault.change()) for one in argued)
