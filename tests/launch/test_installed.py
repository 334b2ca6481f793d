"""An installed copy, in a folder whose own modules have the names of ours."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import tomli
from PIL import Image

import reproductions
from common.training.run_record import commit_of

ROOT = reproductions.REPOSITORY
PACKAGES = tomli.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
# What the script does that pip makes of pyproject.toml.
SCRIPT = """
import sys
sys.argv[0] = "classic-convnets"
from launch.__main__ import start
code = start()
import reproductions, subprocess
print("copy", reproductions.REPOSITORY, file=sys.stderr)
"""
CHILD = "sys.exit(code or subprocess.call([sys.executable, '-m', 'launch', 'audit', '--help']))"


def is_picture(file):
    """Pictures are shown by the repository's pages only."""
    return file.suffix == ".svg"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The files of a wheel: modules, and what pyproject.toml names besides."""
    made = tmp_path_factory.mktemp("site-packages")
    for package, patterns in PACKAGES.items():
        for pattern in ("**/*.py", *patterns):
            for file in filter(pathlib.Path.is_file, (ROOT / package).glob(pattern)):
                target = made / file.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    return made


@pytest.fixture
def run(site, tmp_path):
    """Runs Python in a project with modules of its own: (exit code, stdout, stderr)."""
    for name in ("common.py", "launch.py", "tests/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"raise SystemExit('this is the person\\'s {name}')\n")

    def run(*words, **environment):
        where = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"} | environment
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=os.environ | where,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_an_installed_copy_has_every_file_that_the_code_reads(site):
    files = {
        file.relative_to(ROOT)
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and not is_picture(file)
    }
    missing = {file for file in files if not (site / file).exists()}
    pages = {pathlib.Path(file) for file in missing if file.suffix == ".md"}
    assert missing == pages


def test_the_script_sees_no_modules_of_the_current_folder(run, site):
    code, out, err = run("-P", "-c", SCRIPT + CHILD, "list")
    assert (code, err) == (0, f"copy {site}\n")
    assert "cifar_resnet20" in out and "python -m launch audit" in out  # the child's, too


def test_python_m_launch_sees_no_common_of_the_current_folder(run, site, tmp_path):
    (tmp_path / "launch.py").unlink()
    code, out, err = run("-m", "launch", "list")
    assert (code, err) == (0, "") and "cifar_resnet20" in out
    (tmp_path / "common.py").write_text("")
    code, out, err = run("-m", "launch", "list", PYTHONPATH=f"{tmp_path}:{site}")
    assert (code, out) == (1, "") and err.startswith("Python finds <module 'common' from")
    assert f"{tmp_path / 'common.py'}" in err and "Rename it, or take its folder out of" in err


def test_another_common_is_named(run, tmp_path):
    (tmp_path / "common.py").write_text("")
    for program in ("import reproductions", "import common, reproductions"):
        code, _, err = run("-c", program)
        assert code == 1 and f"finds another one first: {tmp_path / 'common.py'}. Rename" in err


def test_the_scripts_words_are_its_own(run):
    code, out, err = run("-P", "-c", SCRIPT, "sweep", "--help")
    assert out.startswith("classic-convnets sweep NAME") and "python -m launch" not in out
    code, out, err = run("-P", "-c", SCRIPT, "alexnt")
    assert "classic-convnets list shows" in err and "Traceback" not in err


def test_an_installed_copy_is_never_written(run, site):
    lines = [
        "report",
        "ship runs/a",
        "baseline sample --record",
        "sweep lenet5 --trials 2 --record",
        "ensemble a.npz b.npz --record",
    ]
    program = "from launch.__main__ import main\nfrom launch.terminal.exits import exit_code\n"
    program += f"for line in {lines}: exit_code(lambda: main(['launch', *line.split()]))"
    before = sorted((file, file.stat().st_mtime_ns) for file in site.rglob("*"))
    _, out, err = run("-P", "-c", program)
    assert out == "" and err.count("\n") == len(lines)
    for said, line in zip(err.splitlines(), lines, strict=True):
        assert said.startswith(line.split()[0])
        assert "writes into the repository, and this is an installed copy" in said
    assert sorted((file, file.stat().st_mtime_ns) for file in site.rglob("*")) == before


def test_another_repositorys_commit_is_not_ours(tmp_path):
    def git(*words):
        name = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", tmp_path, *name, *words], check=True, capture_output=True)

    git("init")
    git("commit", "--allow-empty", "-m", "theirs")
    assert len(commit_of(tmp_path)) == 40
    (tmp_path / "site-packages").mkdir()
    assert commit_of(tmp_path / "site-packages") == "not a git checkout"


@pytest.mark.full
def test_a_wheel_does_what_a_clone_does(tmp_path):
    """Builds one, which pip needs its registry for."""
    source, venv, own = tmp_path / "source", tmp_path / "venv", tmp_path / "own"
    kept = shutil.ignore_patterns(".git", ".venv", "build", "runs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=kept)
    own.mkdir()
    for name in ("common.py", "launch.py"):
        (own / name).write_text("raise SystemExit(1)\n")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*words):
        return subprocess.run(
            words, cwd=own, env=environment, check=True, capture_output=True, text=True
        ).stdout

    run(sys.executable, "-m", "venv", venv)
    run(venv / "bin" / "pip", "install", "--no-deps", source)
    [packages] = venv.glob("lib/*/site-packages")
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    script = venv / "bin" / "classic-convnets"
    assert "agrees" in run(script, "audit", "lenet5")
    assert "60,000" in run(script, "describe", "lenet5")
    Image.new("RGB", (90, 60), "green").save(own / "photograph.png")
    assert run(script, "predict", "cifar_resnet20", "photograph.png").count(" %  ") == 5
    run(script, "report", "--html", "page.html")
    assert (own / "page.html").stat().st_size > 100_000
    assert sorted(file.name for file in own.iterdir()) == [
        "common.py",
        "launch.py",
        "page.html",
        "photograph.png",
    ]
