"""All contracts of activities, by name."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from activities import contracts
from activities.contracts.base import Activity


def descriptors() -> dict[str, Activity[Any, Any]]:
    found: dict[str, Activity[Any, Any]] = {}
    for info in pkgutil.iter_modules(contracts.__path__, contracts.__name__ + "."):
        for value in vars(importlib.import_module(info.name)).values():
            if isinstance(value, Activity):
                found[value.name] = value
    return found
