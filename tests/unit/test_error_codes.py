"""Errors by their codes: what the page says of each in its languages, and how codes travel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

from api.entry.fields import AppName, EnvKey
from ops.error_codes import ErrorCode
from ops.errors import (
    Conflict,
    ErrorReport,
    Invalid,
    NotFound,
    Unhealthy,
    from_application_error,
    from_problem,
    to_application_error,
    to_problem,
)
from ops.stack.programs import CHECKOUT
from ops.stack.render import TEMPLATES
from ops.stack.studio_page import SOURCE

RAISERS = ("activities", "api", "ops", "workers", "workflows")


def texts(language: str) -> dict[str, str]:
    source = (SOURCE / "src" / "messages" / language / "errors.ts").read_text()
    return dict(re.findall(r'^  (\w+): "((?:[^"\\]|\\.)+)",$', source, re.MULTILINE))


def named(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_each_code_is_said_in_both_languages() -> None:
    english, chinese = texts("en"), texts("zh-CN")
    assert set(english) == set(chinese) == {code.value for code in ErrorCode}
    assert {code: named(english[code]) for code in english} == {
        code: named(chinese[code]) for code in chinese
    }
    assert [code for code, text in chinese.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []


def nodes() -> Iterator[ast.AST]:
    for path in (one for folder in RAISERS for one in (CHECKOUT / folder).rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text()))


def code_of(node: ast.AST) -> ErrorCode | None:
    match node:
        case ast.Attribute(value=ast.Name(id="ErrorCode"), attr=name):
            return ErrorCode.__members__.get(name)
    return None


def raised() -> list[tuple[ErrorCode, set[str]]]:
    """Each place in the source that gives an error its code, with the names of its values.

    What takes a code out of a table is asked for each in ``test_failure_reasons.py``.
    """
    found: list[tuple[ErrorCode, set[str]]] = []
    for node in nodes():
        if isinstance(node, ast.Call):
            given = {k.arg: k.value for k in node.keywords}
            values = given.get("values")
            keys = values.keys if isinstance(values, ast.Dict) else []
            names = {str(key.value) for key in keys if isinstance(key, ast.Constant)}
            codes = [code_of(value) for value in given.values()]
            found.extend((code, names) for code in codes if code is not None)
    return found


def test_each_code_is_an_errors() -> None:
    of_nginx = re.findall(
        r'"code":"(\w+)"', "".join(path.read_text() for path in TEMPLATES.glob("nginx*.conf"))
    )
    named_somewhere = {code for code in map(code_of, nodes()) if code is not None}
    assert named_somewhere | {ErrorCode(code) for code in of_nginx} == set(ErrorCode)


def test_what_a_text_names_comes_with_the_error() -> None:
    english = texts("en")
    assert [(code, names) for code, names in raised() if named(english[code]) - names] == []


@pytest.mark.parametrize(
    "error",
    [
        Conflict("it is there", code=ErrorCode.FILE_EXISTS, values={"path": "a {b}"}, field="path"),
        NotFound("it is not there", hint="look elsewhere"),
    ],
)
def test_a_code_travels_with_its_error(error: Conflict) -> None:
    for found in (
        from_application_error(to_application_error(error)),
        from_problem(to_problem(error)),
    ):
        assert type(found) is type(error)
        assert found.what == error.what
        assert (found.code, found.values, found.field) == (error.code, error.values, error.field)


def test_a_failures_record_keeps_its_code() -> None:
    error = Unhealthy(
        "it is not healthy", code=ErrorCode.APP_EXITED, values={"exit_code": 3}, hint="look"
    )
    for one in (error, from_application_error(to_application_error(error))):
        report = one.report("health", "runtime-102")
        found = ErrorReport.model_validate(report.model_dump(mode="json"))
        assert (found.code, found.values) == ("app_exited", {"exit_code": 3})
    # Records of before it was kept, and of a version that knows another code.
    assert ErrorReport.model_validate({"what": "it failed"}).code is None
    assert ErrorReport.model_validate({"what": "it failed", "code": "unheard"}).code == "unheard"


def test_a_records_values_hold_no_control_bytes() -> None:
    error = Unhealthy("x", code=ErrorCode.REF_MISSING, values={"ref": "a\x1b[31mb", "branches": ""})
    assert "\x1b" not in str(error.report().values["ref"])


def test_a_code_of_another_version_is_none() -> None:
    told = to_problem(Invalid("new", code=ErrorCode.NAME_EMPTY)) | {"code": "never_heard_of"}
    assert from_problem(told).code is None


def test_a_checked_field_tells_its_code() -> None:
    for kind, given, code, values in (
        (AppName, "x" * 101, "name_too_long", {"limit": 100}),
        (EnvKey, "PORT", "env_key_reserved", {"key": "PORT"}),
        (EnvKey, "{what}", "env_key_invalid", {"limit": 128}),
    ):
        with pytest.raises(ValidationError) as refused:
            TypeAdapter(kind).validate_python(given)
        (found,) = refused.value.errors()
        assert found["type"] == code
        assert values.items() <= found["ctx"].items()
        assert found["msg"] == found["ctx"]["what"]
