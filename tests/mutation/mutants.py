"""Mutants: single small changes of a module's source, each of which a test should notice.

Messages, assertions, annotations and decorators are left alone.
"""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
FUNCTIONS = {"min": "max", "max": "min", "any": "all", "all": "any"}
LEFT_ALONE = (ast.JoinedStr, ast.Raise, ast.Assert)
FIELDS_LEFT_ALONE = ("annotation", "returns", "decorator_list")


@dataclass(frozen=True)
class Mutant:
    """A change of the bytes `start` to `end` of a module, which begin in a line."""

    module: str
    line: int
    start: int
    end: int
    old: str
    new: str

    def applied_to(self, source: bytes) -> bytes:
        return source[: self.start] + self.new.encode() + source[self.end :]


def mutants_of(module: str, source: bytes) -> list[Mutant]:
    """Return all mutants of a source, in its order."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _nodes(ast.parse(source)):
        for target, changed in _changes(node):
            start = starts[target.lineno - 1] + target.col_offset
            end = starts[(target.end_lineno or 0) - 1] + (target.end_col_offset or 0)
            new = ast.unparse(changed)
            new = f"({new})" if isinstance(target, ast.expr) else new
            found.append(Mutant(module, target.lineno, start, end, source[start:end].decode(), new))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.new))


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, LEFT_ALONE):
        return
    yield node
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and name not in FIELDS_LEFT_ALONE:
                yield from _nodes(child)


def _changes(node: Any) -> Iterator[tuple[Any, ast.AST]]:
    """Yield each expression or statement at a node that is to be replaced, and its replacement."""
    match node:
        case ast.BinOp() | ast.AugAssign() | ast.BoolOp() if type(node.op) in OPERATORS:
            yield node, _with(node, op=OPERATORS[type(node.op)]())
        case ast.Compare():
            for i, op in enumerate(node.ops):
                yield node, _with(node, ops=[*node.ops[:i], OPERATORS[type(op)](), *node.ops[i + 1 :]])
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node, node.operand
        case ast.Constant(value=bool()):
            yield node, ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield node, ast.Constant(number + 1)
        case ast.If() | ast.IfExp() | ast.While() if not _is_flipped_itself(node.test):
            yield node.test, ast.UnaryOp(ast.Not(), node.test)
        case ast.Return(value=ast.Constant(value=None)):
            yield node.value, ast.Constant(True)
        case ast.Return(value=ast.expr()):
            yield node.value, ast.Constant(None)
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            yield node.func, ast.Name(FUNCTIONS[name])
        case ast.Call(func=ast.Attribute(attr=name)) if name in FUNCTIONS:
            yield node.func, _with(node.func, attr=FUNCTIONS[name])


def _is_flipped_itself(test: ast.expr) -> bool:
    """Return whether another mutant already says the opposite of a test."""
    flips = (ast.Eq, ast.NotEq, ast.Is, ast.IsNot, ast.In, ast.NotIn)
    is_not = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
    return is_not or (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], flips))


def _with(node: Any, **fields: Any) -> ast.AST:
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
