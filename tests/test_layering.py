"""What may import what, a line a room; importing does no work."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "errseg"
FILES = sorted(PACKAGE.rglob("*.py"))
# Room -> the rooms that its modules may import, besides their own.
BASE = "errors config device words"
MAY_IMPORT = {
    "errors": "",
    "config": "errors config_checks",
    "config_checks": "",
    "device": "errors",
    "distributed": "errors device",
    "words": "errors",
    "options": "errors config device words",
    "tones": "errors",
    "upright": "tones",
    "network": "errors config device",
    "datasets": f"{BASE} upright",
    "checkpoints": f"{BASE} network",
    "inference": f"{BASE} options tones upright network checkpoints",
    "pictures": f"{BASE} network datasets checkpoints inference",
    "training": f"{BASE} distributed upright network datasets checkpoints inference",
    "measuring": f"{BASE} distributed options network datasets checkpoints inference",
    # The backend (no Gradio) makes the page of a result that `segment --save html` writes.
    "commands": f"{BASE} distributed options network datasets checkpoints inference pictures "
    "training measuring demo.backend",
    "demo.backend": f"{BASE} options network checkpoints inference pictures",
    "demo.page": f"{BASE} options network checkpoints inference pictures demo.backend",
    "demo.serve": "errors demo.backend demo.page",
    "demo": "",
    "__main__": "python_version commands",
    "python_version": "",
    "": "",  # the package's face: what it offers is imported at its first use
}
WITHOUT_TORCH = ("errors", "config", "words", "tones", "upright", "datasets")
WITH_GRADIO = ("demo.page", "demo.serve")
GRADIO = ("gradio", "gradio_client")
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


def imports(file: Path, at_once: bool = False) -> set[str]:
    """Full names of the modules that a file imports, anywhere in it or when it is imported."""
    names, tree = set(), ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: imports are written in full"
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            submodules = {part for part in parts if part.removeprefix("errseg.") in NAMES}
            names |= submodules or {node.module}
    return names


def room(module: str) -> str:
    """The longest line of `MAY_IMPORT` that a module stands under."""
    rooms = [name for name in MAY_IMPORT if f"{module}.".startswith(f"{name}.") and name]
    return max(rooms, key=len, default="")


NAMES = {module_name(file) for file in FILES}
MODULES = {module_name(file): imports(file) for file in FILES}
OURS = {
    name: {i.removeprefix("errseg.") for i in found if i.startswith("errseg.")} & NAMES
    for name, found in MODULES.items()
}


def test_every_module_stands_in_a_room():
    assert [name for name in NAMES if name and not room(name)] == []


def test_imports_form_no_circle():
    between_rooms = {}
    for name, found in OURS.items():
        others = {room(other) for other in found} - {room(name)}
        between_rooms[room(name)] = between_rooms.get(room(name), set()) | others
    for graph in (OURS, between_rooms):
        order = list(TopologicalSorter(graph).static_order())  # an error that names the circle
        assert set(order) == set(graph)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_module_imports_its_own_room_and_those_below(name):
    allowed = {room(name), *MAY_IMPORT[room(name)].split()}
    assert {other for other in OURS[name] if room(other) not in allowed} == set()


def test_no_module_goes_through_the_package_s_face():
    """``from errseg import build_model`` inside the package would hide which module is meant."""
    assert [name for name, found in MODULES.items() if "errseg" in found] == []


@pytest.mark.parametrize("name", sorted(n for n in NAMES if room(n) in WITHOUT_TORCH))
def test_words_configuration_and_datasets_need_no_torch(name):
    reached, waiting = set(), [name]
    while waiting:
        module = waiting.pop()
        reached.add(module)
        waiting += OURS[module] - reached
    outside = {imported.split(".")[0] for module in reached for imported in MODULES[module]}
    assert not outside & {"torch", "torchvision", "timm", "open_clip"}


@pytest.mark.parametrize("name", ["demo.page.layout", "demo.serve.server", "demo.backend.models"])
def test_the_page_is_painted_before_torch_is_imported(name):
    """It takes seconds, and would take them from the first visitor."""
    files, reached, waiting = {module_name(file): file for file in FILES}, {}, [name]
    while waiting:
        module = waiting.pop()
        reached[module] = imports(files[module], at_once=True)
        ours = {i.removeprefix("errseg.") for i in reached[module] if i.startswith("errseg.")}
        waiting += (ours & NAMES) - reached.keys()
    torch = {m for m, found in reached.items() if "torch" in {i.split(".")[0] for i in found}}
    assert torch == set()


@pytest.mark.parametrize("name", sorted(n for n in NAMES if room(n) not in WITH_GRADIO))
def test_gradio_stays_on_the_page(name):
    assert not {imported.split(".")[0] for imported in MODULES[name]} & set(GRADIO)


@pytest.mark.parametrize("folder", sorted({f.parent for f in FILES}), ids=lambda f: f.name)
def test_a_room_says_what_lives_in_it(folder):
    assert len(ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "") > 40


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
