"""The part of a file of the user's own that a kind consists of, so that changing another kind in the same file stales nothing.

It is found by names: the statements that register the kind, and whatever they refer to in the file, directly or not. What is
found in other ways (`globals()`, a name in a text) is not seen. Comments and formatting do not count.
"""

import ast
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pipeline.experiment.kinds import Registry

OURS, EVERYBODYS = ("models.", "pipeline."), ("pipeline.data.", "pipeline.experiment.")
"""The program's modules, and those that every stage depends on."""
DEFINITIONS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef
NAMING = *DEFINITIONS, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.AugAssign
"""Statements that do no more than give names; others may do anything, and belong to every part."""


def part(module: ModuleType, source: str, registry: Registry[Any], kind: str) -> str:
    """The statements of the module's source that make the kind, in their order; all where none is seen to register it."""
    statements = [each for statement in ast.parse(source).body if not _is_text(statement) for each in _single(statement)]
    registered = {id(each): list(_registers(each, module)) for each in statements}
    own = [each for each in statements if (registry, kind) in registered[id(each)]]
    if not own:
        return source
    bound = {id(each): _bound(each) for each in statements}
    loose = [each for each in statements if not registered[id(each)] and not (bound[id(each)] and isinstance(each, NAMING))]
    taken = {id(each) for each in (*own, *loose)}
    waiting = [*own, *loose]
    while waiting:
        names = {node.id for node in ast.walk(waiting.pop()) if isinstance(node, ast.Name)}
        found = [each for each in statements if id(each) not in taken and bound[id(each)] & names]
        taken |= {id(each) for each in found}
        waiting += found
    return "\n\n".join(ast.unparse(each) for each in statements if id(each) in taken) + "\n"


def imported(text: str) -> list[str]:
    """The program's modules that a part imports from, but those that every stage depends on."""
    found = [each.module or "" for each in ast.walk(ast.parse(text)) if isinstance(each, ast.ImportFrom)]
    return [name for name in dict.fromkeys(found) if name.startswith(OURS) and not name.startswith(EVERYBODYS)]


def _single(statement: ast.stmt) -> list[ast.stmt]:
    """An import of several names as one of each."""
    if isinstance(statement, ast.Import):
        return [ast.Import([name]) for name in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [ast.ImportFrom(statement.module, [name], statement.level) for name in statement.names]
    return [statement]


def _registers(statement: ast.stmt, module: ModuleType) -> Iterator[tuple[Any, str]]:
    """The registries and kinds of `@REGISTRY.register("kind", ...)` and `REGISTRY["kind"] = ...`; no other tables."""
    yield from (found for found in _entered(statement, module) if isinstance(found[0], Registry))


def _entered(statement: ast.stmt, module: ModuleType) -> Iterator[tuple[Any, str]]:
    for call in getattr(statement, "decorator_list", []):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "register":
            first = call.args[0] if call.args else None
            if isinstance(first, ast.Constant):
                yield _value(call.func.value, module), str(first.value)
    for target in statement.targets if isinstance(statement, ast.Assign) else []:
        if isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant):
            yield _value(target.value, module), str(target.slice.value)


def _value(expression: ast.expr, module: ModuleType) -> Any:
    """What a dotted name is in the module; None for anything else."""
    if isinstance(expression, ast.Attribute):
        return getattr(_value(expression.value, module), expression.attr, None)
    return vars(module).get(expression.id) if isinstance(expression, ast.Name) else None


def _bound(statement: ast.stmt) -> set[str]:
    """The names of the module that a statement gives."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
    return names


def _is_text(statement: ast.stmt) -> bool:
    """Docstrings, of the module and of its constants."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
