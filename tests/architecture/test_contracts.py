"""Every activity is implemented once, under its contract's name, with its contract's models."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from typing import Any, get_type_hints

import activities
import workers
from tests.support.contracts import descriptors


def implementations() -> dict[str, list[Any]]:
    """Activity functions by their registered name, over all modules that could define one."""
    found: dict[str, set[Any]] = {}
    for package in (activities, workers):
        for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            module = importlib.import_module(info.name)
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ != info.name:
                    continue
                for _, function in inspect.getmembers(kind, inspect.isfunction):
                    definition = getattr(function, "__temporal_activity_definition", None)
                    if definition is not None:
                        found.setdefault(definition.name, set()).add(function)
    return {name: list(functions) for name, functions in found.items()}


def test_each_contract_has_one_implementation() -> None:
    found = implementations()
    assert {name: len(functions) for name, functions in found.items()} == dict.fromkeys(
        descriptors(), 1
    )


def test_implementations_take_and_return_what_their_contract_says() -> None:
    wanted = descriptors()
    for name, (function,) in implementations().items():
        hints = get_type_hints(inspect.unwrap(function))
        returns = hints.pop("return")
        assert list(hints.values()) == [wanted[name].takes], name
        assert returns == wanted[name].returns, name


def test_each_activity_is_given_to_a_worker() -> None:
    """One that no worker knows would be retried until its workflow gives up."""
    named = set[str]()
    for info in pkgutil.walk_packages(workers.__path__, workers.__name__ + "."):
        source = inspect.getsource(importlib.import_module(info.name))
        named |= {
            node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)
        }
    missing = {f.__name__ for functions in implementations().values() for f in functions} - named
    assert not missing
