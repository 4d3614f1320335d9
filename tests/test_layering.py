"""What may import what; importing does no work."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "errseg"
FILES = sorted(PACKAGE.rglob("*.py"))
# Groups of the network's modules: each may import its own group and those before it, nothing else
# of the package.
GROUPS = (
    ("config", "errors", "checkpoints.stored_config", "words.vocabulary", "words.wordnet"),
    (
        "network.layers",
        "network.attention",
        "network.scores",
        "cache",
        "inference.disk_cache",
        "device",
    ),
    tuple(
        f"network.{box}"
        for box in ("clip", "lite", "hsm", "crm", "escf", "gud", "published", "token_memory")
    ),
    ("network.model",),
    ("checkpoints.weights", "checkpoints.compilation"),
    tuple(
        f"inference.{x}"
        for x in ("photo", "labelling", "network_input", "text_embeddings", "predictor")
    ),
)
WITHOUT_TORCH = (
    "config",
    "errors",
    "words.vocabulary",
    "words.wordnet",
    "cache",
    "inference.disk_cache",
)
DEMO_ONLY = ("gradio", "gradio_client")
# What a module may do when it is imported: define and name things.
DEFINITIONS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Assign,
    ast.AnnAssign,
)


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: imports are written in full"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {part for part in parts if part.removeprefix("errseg.") in NAMES}
            names |= submodules or {node.module}
    return names


NAMES = {module_name(file) for file in FILES}
MODULES = {module_name(file): imports(file) for file in FILES}
OURS = {
    name: {i.removeprefix("errseg.") for i in found if i.startswith("errseg.")} & NAMES
    for name, found in MODULES.items()
}


def test_imports_form_no_cycle():
    order = list(TopologicalSorter(OURS).static_order())  # raises an error that names the cycle
    assert set(order) == NAMES


@pytest.mark.parametrize("name", [name for group in GROUPS for name in group])
def test_the_network_imports_in_one_direction(name):
    level = next(i for i, group in enumerate(GROUPS) if name in group)
    allowed = {module for group in GROUPS[: level + 1] for module in group}
    assert OURS[name] <= allowed


def test_no_module_goes_through_the_package_s_face():
    """``from errseg import build_model`` inside the package would hide which module is meant."""
    assert [name for name, found in MODULES.items() if "errseg" in found] == []


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_configuration_and_vocabulary_need_no_torch(name):
    reached, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += OURS[module] - reached
    outside = {imported.split(".")[0] for module in reached for imported in MODULES[module]}
    assert outside - {"errseg"} <= sys.stdlib_module_names


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("demo")])
def test_gradio_stays_in_the_demo(name):
    assert not {imported.split(".")[0] for imported in MODULES[name]} & set(DEMO_ONLY)
    assert not any(imported.startswith("demo") for imported in OURS[name]) or name == "__main__"


@pytest.mark.parametrize("file", FILES, ids=module_name)
def test_modules_only_define_things(file):
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        guard = isinstance(node, ast.If) and ast.unparse(node.test) in (
            "__name__ == '__main__'",
            "TYPE_CHECKING",
        )
        assert text or guard or isinstance(node, DEFINITIONS), (
            f"{file.name}:{node.lineno} does something when it is imported"
        )


WATCHED_IMPORT = """
import random, socket, sys, threading
def refuse(*arguments, **settings):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.socket.bind = socket.create_connection = refuse
state = random.getstate()
import errseg, errseg.words.vocabulary
assert errseg.list_models() and "torch" not in sys.modules
assert callable(errseg.build_model) and callable(errseg.load_model)
loaded = {"gradio", "matplotlib"} & set(sys.modules)
assert not loaded, loaded
assert threading.active_count() == 1, threading.enumerate()
assert random.getstate() == state
"""


def test_importing_errseg_is_quiet():
    """Nothing printed, no thread, no socket, neither gradio nor matplotlib."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
