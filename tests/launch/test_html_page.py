"""The page of `report --html`, also in a real browser where there is one."""

import base64
import html.parser
import io
import json
import pathlib
import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import reproductions
from common.errors import RunError, UsageError
from common.recipes.serialization import describe_recipe
from launch.report.figures import figures, overlay
from launch.report.html import first_filters, html_page
from launch.report.papers import Paper
from launch.report.run_names import name_runs
from tests.launch import toy
from tests.launch.flags import launch

UNDER_WAY = {"status": "running", "results": None}
CHROMIUM = shutil.which("chromium")
# Appended to the page under test: uses it as a person would, and writes down
# what is then to be seen.
VISIT = """
<pre id="seen"></pre><script>
const part = document.getElementById("variants").closest(".part");
const names = () => [...part.querySelectorAll("tbody tr")]
  .filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
const head = part.querySelectorAll("thead th")[1];
const press = () => { head.querySelector("button").click();
  return [head.getAttribute("aria-sort"), names()]; };
const type = (text) => { const field = part.querySelector("input");
  field.value = text; field.dispatchEvent(new Event("input", {bubbles: true}));
  return [part.querySelector("output").textContent, names()]; };
const choose = (value) => {
  const select = document.getElementById("audit").closest(".part")
    .querySelector("select");
  select.value = value;
  select.dispatchEvent(new Event("input", {bubbles: true}));
  return select.closest(".part").querySelector("output").textContent; };
const seen = {first: names(), up: press(), down: press(), typed: type("small"),
  none: type("small zebra"), all: type(""), wrong: choose("wrong"),
  checked: choose("checked"),
  wide: document.documentElement.scrollWidth - innerWidth};
document.getElementById("seen").textContent = JSON.stringify(seen);
</script>
"""


paper = toy.paper


class Reader(html.parser.HTMLParser):
    """Checks that every element that is opened is closed, in order."""

    EMPTY = {"meta", "input", "img", "wbr"}

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links = [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            assert attrs["id"] not in self.ids
            self.ids.add(attrs["id"])
        self.links += [v for k, v in attrs.items() if k in ("href", "src")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(paper, tmp_path):
    run = toy.write_run(tmp_path / "a", history=toy.history(3))
    text = html_page.page([run])
    reader = Reader(text)
    assert reader.open == []
    for link in reader.links:
        assert link[1:] in reader.ids or link.startswith("data:image/")
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src 'none'" in text
    menu = re.search(r"<nav .*?</nav>", text)[0]  # calls each part as its heading does
    parts = re.findall(r'<h2 id="(.*?)">(.*?)</h2>', text)
    assert re.findall(r'<a href="#(.*?)">(.*?)</a>', menu) == parts and len(parts) == 5
    assert "Runs given" in text and "Runs over each other" not in text  # it is but one


def test_a_run_under_way_is_shown_and_not_recorded(paper, tmp_path):
    run = toy.write_run(tmp_path / "a<b", history=toy.history(3), **UNDER_WAY)
    text = html_page.page([run])
    said = "seed 0: 0.67 % after 3 of 20 epochs; the paper: 0.95 %. The run is running."
    assert f"<figcaption><b>a&lt;b</b>, {said}" in text
    begun = toy.write_run(tmp_path / "c", **UNDER_WAY)
    assert "c: no epoch has ended yet" in html_page.page([begun])
    assert not (paper / "curves.toml").exists()
    assert not (paper / "reproduced.toml").exists()


def test_no_paper_stands_beside_a_changed_run(paper, tmp_path):
    changed = {"settings": ["epochs=3"], "history": toy.history(3)}
    text = html_page.page([toy.write_run(tmp_path / "a", **changed)])
    assert "the paper: 0.95 %" not in text
    assert "toy on mnist (changed: epochs 3)" in text


def pictures_in(text):
    """The SVGs of a page, decoded."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    return [base64.b64decode(one).decode() for one in found]


def count_lines(svg, colours):
    """How often a curve or its key in the legend is drawn in each colour."""
    return [svg.count(f"stroke: {colour}") for colour in colours]


def test_several_runs_are_drawn_over_each_other(paper, tmp_path):
    one = toy.write_run(tmp_path / "a", history=toy.history(3))
    two = toy.write_run(tmp_path / "b", seed=1, history=toy.history(4), status="running")
    begun = toy.write_run(tmp_path / "c", seed=2, **UNDER_WAY)
    text = html_page.page([one, two, begun])
    assert text.index("Runs over each other") < text.index("In short")
    assert text.count("2 runs, with the last value.") == 2  # loss and error
    assert "In 1 more no epoch has ended yet." in text
    loss, error, *own = pictures_in(text)
    for svg in (loss, error):
        assert count_lines(svg, overlay.COLOURS[:3]) == [2, 2, 0]
    assert len(own) == 2


def test_a_sweep_is_drawn_as_its_trials(paper, tmp_path):
    for trial in (10, 9):
        rate = f"optimizer.learning_rate=0.{trial:02d}"
        folder = tmp_path / "sweep" / "trials" / str(trial)
        toy.write_run(folder, settings=["held_out=100", rate], history=toy.history(2))
    panels = overlay.show(overlay.find_runs([tmp_path / "sweep"]))
    assert [panel["axis"] for panel in panels] == ["training loss", "test error (top-1, %)"]
    assert panels[1]["runs"] == [("learning rate 0.09", (2, 1)), ("learning rate 0.1", (2, 1))]
    text = html_page.page([str(tmp_path / "sweep")])
    assert text.count("2 runs, with the last value.") == 2
    assert "Runs given" not in text


def test_the_split_is_called_as_it_is_while_a_run_is_under_way(paper, tmp_path):
    more = {"history": toy.history(2), **UNDER_WAY}
    toy.write_run(tmp_path / "a", settings=["held_out=100"], **more)
    assert overlay.show([tmp_path / "a"])[1]["axis"] == "held-out error (top-1, %)"
    data = {"name": "toys/1.0.0", "splits": {"train": 9, "validation": 3, "test": 3}}
    toy.write_run(tmp_path / "b", data=data, **more)  # whose results will say validation
    assert overlay.show([tmp_path / "b"])[1]["axis"] == "validation error (top-1, %)"


def test_one_picture_of_runs_is_written(paper, tmp_path, capsys):
    run = toy.write_run(tmp_path / "a", history=toy.history(3))
    file = tmp_path / "curves.svg"
    assert launch("report", run, svg=file) == 0
    svg = file.read_text()
    assert svg.startswith("<svg") and count_lines(svg, overlay.COLOURS[:1]) == [4]
    assert not (paper / "reproduced.toml").exists()
    for words in ([], [toy.write_run(tmp_path / "b")]):
        with pytest.raises(UsageError, match="draws runs in which an epoch has ended"):
            launch("report", *words, svg=file)


@pytest.mark.parametrize("panels", [1, 2])
def test_a_title_ends_within_its_picture(panels):
    title = "akamaster_resnet20 on folder:/tmp/photos and cifar_resnet20 on folder:/tmp/mine"
    panel = {"title": title, "axis": "loss", "runs": [("a", (2, 1)), ("b", (3, 1))]}
    with rc_context(figures.STYLE):
        figure = overlay.draw([panel] * panels)
        renderer = FigureCanvasAgg(figure).get_renderer()
        right = figure.texts[0].get_window_extent(renderer).x1
    assert right < figure.bbox.width


def names_of(*runs):
    """The names of runs given as (folder, facts of run.json)."""
    records = [{"variant": "toy", "precision": "float32", "seed": 0} | run for _, run in runs]
    records = [{"recipe": describe_recipe(toy.RECIPE)} | run for run in records]
    return name_runs([pathlib.Path(folder) for folder, _ in runs], records)


def changed(field, old, new):
    return {"overrides": [{"field": field, "old": old, "new": new}]}


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([{}, {"seed": 1}], ["seed 0", "seed 1"]),
        ([{}, {"precision": "mixed_bfloat16"}], ["float32", "mixed_bfloat16"]),
        ([{}, {"variant": "toy_small", "seed": 1}], ["toy, seed 0", "toy_small, seed 1"]),
        # A part of the network is in no recipe: what it was stands in the change.
        ([changed("network.dropout", 0.5, 0.0), {}], ["dropout off", "dropout 0.5"]),
        # Another variant's network may have another one, or none.
        ([changed("network.dropout", 0.5, 0.0), {"variant": "toy_small"}],
         ["toy, dropout off", "toy_small"]),
        ([changed("optimizer.nesterov", False, True), {}], ["nesterov on", "nesterov off"]),
        # The other run's own recipe says what it has, whatever the change left.
        ([changed("epochs", 999, 3), {}], ["epochs 3", "epochs 20"]),
        ([changed("optimizer.learning_rate", 0.1, 0.0123456), {}],
         ["learning rate 0.01235", "learning rate 0.1"]),
        ([{}, {}], ["0", "1"]),
        ([{}, changed("healthy_after", 1, 0)], ["0", "1"]),  # trains nothing else
    ],
)  # fmt: skip
def test_names_of_runs_say_what_differs(runs, names):
    assert names_of(*((str(n), run) for n, run in enumerate(runs))) == names


def test_what_no_short_name_tells_apart_is_called_as_its_folder():
    long = changed("continued", "one recipe throughout", "epochs=3 from epoch 2 on, and " * 3)
    assert names_of(("x/a", long), ("x/b", {"seed": 1})) == ["a", "b"]
    assert names_of(("x/a", {}), ("x/b", {}), ("x/c", {"seed": 1})) == ["a", "b", "c"]
    assert names_of(("x/a", {}), ("y/a", {})) == ["x/a", "y/a"]
    assert names_of(("x/a", {})) == ["a"]


def test_the_first_layer_of_a_checkpoint_is_drawn(paper, tmp_path):
    run = tmp_path / "a"
    toy.write_run(run, history=toy.history(2), **UNDER_WAY)
    (run / "checkpoints").mkdir()
    for step in (9, 10):
        arrays = {
            "0/10/conv10/kernel": np.ones((7, 7, 3, 5)),
            "0/2/conv2/kernel": np.full((5, 5, 1, step), 0.1),
            "1/2/momentum": np.ones((3, 3, 3, 4)),
        }
        np.savez(run / f"checkpoints/step-{step:09d}.npz", **arrays)
    text = html_page.page([str(run)])
    assert "10 filters of 5x5x1, the first layer (step-000000010.npz)" in text


def test_filters_are_scaled_each_by_itself_around_grey():
    kernel = np.zeros((2, 2, 3, 17), np.float32)
    kernel[0, 0, :, 0] = (2, -2, 1)
    kernel[1, 1, :, 16] = 1e-3
    png = base64.b64decode(first_filters.picture(kernel).partition("base64,")[2])
    sheet = np.asarray(Image.open(io.BytesIO(png)))
    assert sheet.shape == (5, 16 * 3 - 1, 4)  # two rows, a gap between
    assert sheet[0, 0].tolist() == [255, 0, 191, 255]
    assert sheet[4, 1].tolist() == [255, 255, 255, 255]
    assert sheet[1, 1].tolist() == [128, 128, 128, 255]
    assert sheet[2, 0, 3] == 0


def test_keras_names_its_layers_in_this_order(tmp_path):
    file = tmp_path / "w.weights.h5"
    with h5py.File(file, "w") as weights:
        for name, size in (("conv2d_10", 4), ("conv2d_9", 3), ("optim", 2)):
            path = f"layers/{name}/vars/0" if size > 2 else "optimizer/vars/0"
            weights[path] = np.zeros((size, size, 3, 8))
        weights["layers/dense/vars/0"] = np.zeros((3, 8))
    assert first_filters.first_kernel(file).shape == (3, 3, 3, 8)


def test_what_is_no_run_and_no_weights_is_refused(paper, tmp_path):
    with pytest.raises(UsageError, match="no run's folder"):
        html_page.page([str(tmp_path)])
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UsageError, match="neither a run's folder nor a file"):
        html_page.page([str(tmp_path / "x.txt")])
    (tmp_path / "x.h5").write_text("no")
    with pytest.raises(RunError, match="x.h5 cannot be read"):
        html_page.page([str(tmp_path / "x.h5")])


def test_the_command_writes_the_page_and_nothing_else(paper, tmp_path, capsys):
    file = tmp_path / "page.html"
    before = set(paper.iterdir())
    assert launch("report", html=file) == 0
    assert "is written" in capsys.readouterr().out
    assert file.read_text() == html_page.page([])
    assert set(paper.iterdir()) == before


def test_the_real_page_is_small_and_has_every_cell():
    text = html_page.page([])
    assert len(text) < 3e6
    printed = [n for p in reproductions.names() for n in Paper(p).printed()]
    explained = sum(bool(number.explanation) for number in printed)
    assert text.count('class="explained"') == explained > 90
    text = text.replace("<wbr>", "")
    for words in ("cifar_wrn_28_10", "724,406,816", "not run: 2.5e17 MAC"):
        assert words in text
    for name in reproductions.names():
        for one in Paper(name).measured:
            assert one.error("top1_error") in text


def visit(file, size):
    """(the page after its script, what the console said)."""
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu"),
            "--hide-scrollbars",
            f"--user-data-dir={file.parent / 'profile'}",
            f"--window-size={size}",
            *("--enable-logging=stderr", "--v=0", "--dump-dom"),
            file.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, said


WRONG = """
[[claim]]
text = "It has 8 layers."
source = "Sec. 2"
verdict = "wrong"
note = "it has 1 < 8"
"""


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
@pytest.mark.parametrize("size", ["1280,800", "390,800"])
def test_tables_sort_and_filter_in_a_browser(paper, tmp_path, size):
    (paper / "expected.toml").write_text(toy.EXPECTED + WRONG)
    run = toy.write_run(tmp_path / "a", history=toy.history(3))
    file = tmp_path / "page.html"
    text = html_page.page([run])
    file.write_text(text.replace("</body>", VISIT + "</body>"))
    dom, said = visit(file, size)
    assert said == []
    seen = re.search(r'<pre id="seen">(.*?)</pre>', dom)[1]
    both = ["toy", "toy_small"]  # 1,000 and 500 parameters
    assert json.loads(seen) == {
        "first": both,
        "up": ["ascending", both[::-1]],
        "down": ["descending", both],
        "typed": ["1 of 2 rows", ["toy_small"]],
        "none": ["0 of 2 rows", []],
        "all": ["2 of 2 rows", both],
        "wrong": "1 of 2 rows",
        "checked": "1 of 2 rows",
        "wide": 0,  # the page itself does not scroll sideways
    }
