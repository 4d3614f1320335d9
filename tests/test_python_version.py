"""A Python that is too old gets a sentence, not the first error on the way."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from errseg import python_version

ROOT = Path(__file__).resolve().parent.parent
ENTRIES = {"app.py": ["app.py"], "errseg/__main__.py": ["-m", "errseg"]}
READ_FIRST = [*ENTRIES, "errseg/__init__.py", "errseg/python_version.py"]
OLD = [f"python3.{minor}" for minor in range(6, 11)] + ["python2.7"]


@pytest.mark.parametrize("file", READ_FIRST)
def test_what_is_read_before_the_sentence_has_nothing_new(file):
    """No f-string, annotation, walrus, trailing comma after ** or the like."""
    text = (ROOT / file).read_text(encoding="ascii")
    new = ast.JoinedStr | ast.AnnAssign | ast.NamedExpr | ast.Match | ast.AsyncFunctionDef
    for node in ast.walk(ast.parse(text, feature_version=(3, 7))):
        assert not isinstance(node, new), ast.unparse(node)
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            assert node.returns is None, node.name
            assert not any(argument.annotation for argument in arguments), node.name


def test_an_old_python_is_told_what_it_needs(monkeypatch):
    for version, fits in (((3, 10, 13), False), ((2, 7, 18), False), ((3, 11, 0), True)):
        monkeypatch.setattr(sys, "version_info", version)
        if fits:
            python_version.check_python()
            continue
        with pytest.raises(SystemExit, match=r"^ERR-Seg needs Python 3\.11 or newer, and this is"):
            python_version.check_python()


@pytest.mark.parametrize("python", OLD)
def test_the_old_pythons_of_this_machine_say_it(python):
    if not (found := shutil.which(python)):
        pytest.skip(f"there is no {python} here")
    chosen = {**os.environ, "PYENV_VERSION": python.removeprefix("python")}  # where pyenv has it

    def run(*arguments) -> subprocess.CompletedProcess:
        command, more = [found, "-B", *arguments], {"cwd": ROOT, "env": chosen, "check": False}
        return subprocess.run(command, capture_output=True, text=True, **more)

    if run("-c", "").returncode:
        pytest.skip(f"{python} does not run here")
    for entry in ENTRIES.values():
        done = run(*entry)
        assert done.returncode == 1
        assert done.stderr.startswith("ERR-Seg needs Python 3.11 or newer, and this is ")
        assert done.stderr.count("\n") == 1
