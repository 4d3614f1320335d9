"""A Space made by the README's command: its card's fields, which files go up, and that they run."""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from app_server import launch_app
from hub_server import TOKEN, environment, stand_in_hub
from huggingface_hub.utils import filter_repo_objects

from errseg.checkpoints.hub import REPOSITORY
from errseg.config import EXAMPLES

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("README.md", "LICENSE", "app.py", "requirements.txt", "errseg/", "assets/", "examples/")
SPACE = "somebody/errseg"
# https://huggingface.co/docs/hub/spaces-config-reference
FIELDS = set(
    "title emoji colorFrom colorTo sdk sdk_version python_version app_file license models tags "
    "short_description thumbnail preload_from_hub startup_duration_timeout".split()
)
COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ZERO_GPU_PYTHONS = {"3.10", "3.12"}  # https://huggingface.co/docs/hub/spaces-zerogpu
MOST_DESCRIBED = 60  # characters


def card() -> dict:
    return yaml.safe_load((ROOT / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def command() -> str:
    """The README's own, as .github/workflows/ci.yml takes it out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"<!-- the Space command -->\n```bash\n(.*?)```", text, re.S)[1]


def tracked() -> set[str]:
    """The files of the repository that a Space needs."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = set(filter(None, listed.stdout.split("\0")))
    assert all(any(f.startswith(each) for f in files) for each in NEEDED)
    return {file for file in files if file.startswith(NEEDED)}


def test_the_card_has_the_fields_of_a_space():
    fields = card()
    assert set(fields) <= FIELDS
    assert {fields["colorFrom"], fields["colorTo"]} <= COLORS
    assert fields["sdk"] == "gradio"
    assert (ROOT / fields["app_file"]).is_file()
    assert len(fields["short_description"]) <= MOST_DESCRIBED
    assert fields["models"] == [REPOSITORY]
    assert fields["license"] == "mit"
    assert len(fields["emoji"]) == 1
    assert fields["python_version"] in ZERO_GPU_PYTHONS
    assert tuple(map(int, fields["python_version"].split("."))) >= (3, 11)
    [asked] = re.findall(r"^gradio>=6\.(\d+),<7$", (ROOT / "requirements.txt").read_text(), re.M)
    assert re.fullmatch(r"6\.\d+\.\d+", fields["sdk_version"])
    assert int(fields["sdk_version"].split(".")[1]) >= int(asked)


def test_only_what_a_space_needs_goes_up():
    """Whatever else lies in the folder stays here: photos, results, environments, the history."""
    words = shlex.split(command().replace("\\\n", " "))
    given = {name: [] for name in ("--include", "--exclude")}
    for option, value in itertools.pairwise(words):
        if option in given:
            given[option].append(value)
    lie_there = (
        ".git/config .gitignore .ci/run .github/workflows/ci.yml .venv/lib/site.py .pytest.ini "
        "tests/conftest.py tests/golden/a.safetensors runs/mine/model.safetensors photo.jpg "
        "results/mask.png errseg_b.pth packages.txt my/README.md errseg/__pycache__/options.pyc "
        "errseg/demo/__pycache__/a.cpython-312.pyc"
    ).split()
    goes = filter_repo_objects(
        [*sorted(tracked()), *lie_there],
        allow_patterns=given["--include"],
        ignore_patterns=given["--exclude"],
    )
    assert set(goes) == tracked()


def test_the_workflow_is_one_that_github_reads():
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    # YAML's `on` is true.
    workflow = {str(key): value for key, value in yaml.safe_load(text).items()}
    assert set(workflow) == {"name", "True", "permissions", "jobs"}
    assert set(workflow["True"]) == {"push", "pull_request"}
    test, space = workflow["jobs"]["test"], workflow["jobs"]["space"]
    assert "bash .ci/run" in test["steps"][-1]["run"]
    assert "secrets" not in space["if"]  # GitHub doesn't tell them there
    assert space["needs"] == "test"
    used = re.findall(r"uses: (\S+)", text)
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)
    marker = re.search(r"/\^(<!-- .* -->)\$/", space["steps"][-1]["run"])[1]
    assert f"\n{marker}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_readme_s_command_makes_a_space_that_starts(tmp_path):
    folder = tmp_path / "folder"
    for file in tracked():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, folder / file)
    (folder / "photo.jpg").write_bytes(EXAMPLES.with_name("cat.jpg").read_bytes())
    with stand_in_hub() as hub:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        asked = {**environment(hub, tmp_path / "home"), "HF_TOKEN": TOKEN}
        done = subprocess.run(
            ["bash", "-eu", "-c", command()],
            cwd=folder,
            env={**os.environ, **asked, "SPACE": SPACE, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        space = hub.repositories[f"spaces/{SPACE}"]
        files = space.commits[space.newest]
    assert set(files) - {".gitattributes"} == tracked()
    for file, content in files.items():
        here = tmp_path / "space" / file
        here.parent.mkdir(parents=True, exist_ok=True)
        here.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
        assert file == ".gitattributes" or here.read_bytes() == (ROOT / file).read_bytes()
    with launch_app(root=tmp_path / "space") as (url, _):
        answer = subprocess.run(
            [sys.executable, "-c", ASK, url],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "'cat'" in answer.stdout, answer.stderr
        with urllib.request.urlopen(url, timeout=30) as page:
            assert b"errseg-header" in page.read()


ASK = f"""
import sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
photo = handle_file({str(EXAMPLES.with_name("cat.jpg"))!r})
*_, result = client.predict(image=photo, classes="cat", api_name="/segment")
print(result["classes"])
"""
