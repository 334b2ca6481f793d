"""Classic convolutional networks, reproduced from their papers.

  python -m launch NAME [flags]      train NAME with its paper's recipe, measure
                                     it under the paper's test views, record it
  python -m launch list              papers, variants, size, cost, what was run
  python -m launch audit [NAME]      the paper's tables recomputed cell by cell
  python -m launch evaluate NAME [--weights RUN_OR_FILE] [--views V,V]
                                     error rates of trained weights;
                                     --predictions FILE keeps the scores;
                                     --dry_run: what each view costs
  python -m launch predict NAME IMAGE... [--weights RUN_OR_FILE] [--out S.png]
                                     the five likeliest classes of photographs
  python -m launch export NAME --out FOLDER_OR_FILE [--weights RUN_OR_FILE]
                                     a model to serve: SavedModel, ONNX, TFLite
  python -m launch describe NAME [--svg FILE.svg]
                                     a network block by block, and as a picture
  python -m launch import NAME --from LAYOUT FILE --out W.weights.h5
                                     published weights into ours, for evaluate
  python -m launch ensemble FILE FILE... | SPEC | ilsvrc2016
                                     fuses prediction files of evaluate
  python -m launch submission FILE.npz --out GUESSES.txt
  python -m launch submission GUESSES.txt GROUND_TRUTH.txt
                                     the file of ILSVRC's test server, its score
  python -m launch prepare DATASET --source DIR [--shorter_side N]
                                     downloads into records that are read
  python -m launch sweep NAME --trials N [--space 'FIELD=log(LOW,HIGH)']
                                     searches fields of a recipe (keras-tuner)
  python -m launch queue             trains what reproductions/queue.toml lists,
                                     one run after the other; goes on where it
                                     was stopped; --dry_run shows what is left
  python -m launch doctor DATASET    is the prepared data what it should be?
  python -m launch bench [input|step|start] [NAME...] [--out FILE.json]
                                     what they cost here, beside their limits
  python -m launch baseline DATASET  logistic regression on its thumbnails
  python -m launch report [RUN...]   record runs, regenerate results.md
  python -m launch report --html FILE [RUN_OR_WEIGHTS...]
                                     one page of all results, and of these runs
  python -m launch ship RUN...       small trained weights go with the code

NAME is a paper (alexnet: its headline network) or a variant (alexnet_no_lrn).

  python -m launch alexnet --gpus 2                           as in the paper
  python -m launch alexnet --gpus 2 --platform cpu --data sample --set epochs=2
  python -m launch lenet5 --dry_run                           only the plan

Flags say where and on what to run. What the paper decides lives in the recipe;
--set changes it, on record: such a run is not counted as the paper's.
Exit codes: 0 done, 1 something went wrong, 2 wrong usage, 69 another host is
gone, 75 stopped by SIGTERM or --max_hours, 130 by Ctrl-C (the same command
continues these three).
"""

import functools
import math
import os
import sys
import textwrap

from absl import flags

from common.errors import UsageError
from launch.dispatch import dispatch
from launch.terminal.exits import exit_code

MOST = 1024  # devices, processes or trials: more is a slip of the finger
FLAGS = flags.FlagValues()
_integer = functools.partial(flags.DEFINE_integer, flag_values=FLAGS)
_string = functools.partial(flags.DEFINE_string, flag_values=FLAGS)
_enum = functools.partial(flags.DEFINE_enum, flag_values=FLAGS)
_switch = functools.partial(flags.DEFINE_boolean, flag_values=FLAGS)

_integer(
    "gpus",
    None,
    "devices that share each batch; 0 means the CPU; default: all GPUs, or 1 "
    "CPU device where there are none",
    lower_bound=0,
    upper_bound=MOST,
)
_enum(
    "platform",
    "auto",
    ["auto", "cpu", "gpu"],
    "cpu with --gpus N makes N logical CPU devices, to try that path anywhere",
)
_string(
    "data",
    None,
    "mnist, cifar10, cifar100, svhn, imagenette, imagenet2012, sample, "
    "folder:PATH or tfds:NAME; default: the recipe's",
)
_string(
    "data_dir",
    os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets",
    "where TFDS data sets lie; $TFDS_DATA_DIR sets the default",
)
_string(
    "workdir",
    None,
    "the run's folder, which the same command continues; default: "
    "runs/<variant>_<data>_seed<N>, more after --set or --precision",
)
_integer(
    "seed",
    0,
    "weights, order, augmentation and dropout follow from it",
    lower_bound=0,
    upper_bound=2**32 - 1,
)
_enum(
    "precision",
    "float32",
    ["float32", "tensorfloat32", "mixed_bfloat16", "mixed_float16"],
    "of the arithmetic; weights are always float32; tensorfloat32 is float32 "
    "that GPUs multiply with 10 bits; mixed_float16 scales the loss",
)
_switch(
    "jit_compile",
    None,
    "compile the step with XLA; default: where it pays, which is on GPUs and, "
    "for the smallest batches, on a CPU; or as the run was begun",
)
_integer(
    "microbatches",
    1,
    "parts that each device's share of a batch is cut into, to save memory; "
    "the gradient stays the whole batch's, but batch normalisation sees each "
    "part alone, as on so many devices",
    lower_bound=1,
    upper_bound=10**6,
)
flags.DEFINE_multi_string(
    "set",
    [],
    "FIELD=VALUE changes the recipe, as a deviation on record; repeatable: "
    "epochs=2, optimizer.learning_rate=0.02, train_transforms.0.size=128",
    flag_values=FLAGS,
)
_switch(
    "scale_learning_rate",
    False,
    "times the learning rate by as much as --set global_batch_size changes "
    "the batch, as a deviation on record",
)
_integer(
    "recover",
    0,
    "on a loss that is not finite go back to the last good checkpoint with a "
    "tenth of the learning rate, so many times at most, on record",
    lower_bound=0,
    upper_bound=MOST,
)
_switch("dry_run", False, "print the plan and stop")
flags.DEFINE_float(
    "checkpoint_minutes",
    5.0,
    "minutes between checkpoints",
    lower_bound=0.0,
    upper_bound=1e6,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "stalled_minutes",
    15.0,
    "minutes without a finished step after which the stacks of all threads "
    "are shown, to see what hangs; 0: never",
    lower_bound=0.0,
    upper_bound=1e6,
    flag_values=FLAGS,
)
flags.DEFINE_float(
    "max_hours",
    None,
    "stop with a checkpoint and exit code 75 after so long, to go on later with the same command",
    lower_bound=0.0,
    upper_bound=1e5,
    flag_values=FLAGS,
)
_string(
    "weights",
    None,
    "the file that evaluate measures, predict asks and export serves, or a "
    "run's folder, which knows its data and --set; default: those that come "
    "with NAME, if any do",
)
_string(
    "preprocessing",
    None,
    "evaluate, predict, export: what the network of a file is fed, if the file "
    "does not say it: recipe, or the layout that it was imported from",
)
_string(
    "from",
    None,
    "import: whose names and order of axes FILE has: torchvision, keras, "
    "caffe ...; a wrong one is answered with those that NAME knows",
)
_string(
    "out",
    None,
    "import: the file to write, for evaluate --weights; predict: a contact "
    "sheet, SHEET.png; bench: a JSON file; export: a new folder or file; "
    "submission: a new text file",
)
_string(
    "format", None, "export: savedmodel, onnx or tflite; default: as --out ends, else savedmodel"
)
_string("svg", None, "describe: the picture to write")
flags.DEFINE_list(
    "views",
    [],
    "test views for evaluate, such as centre_crop,ten_crop, or the paper's own "
    "(--dry_run shows them); default: the recipe's",
    flag_values=FLAGS,
)
_string(
    "split",
    None,
    "evaluate: another split of the data set than that of its tests, such as "
    "train: what the network makes of the images that it learned from",
)
_string(
    "predictions",
    None,
    "the file that evaluate writes every image's scores to; killed at any "
    "moment, the same command continues",
)
flags.DEFINE_list(
    "rules",
    [],
    "ensemble: rules of fusion, such as simple,weighted_nll; default: all",
    flag_values=FLAGS,
)
_switch("available", False, "ensemble: leave out members without a file")
_switch("record", False, "ensemble, sweep, baseline: keep the result")
_integer("trials", None, "sweep: trials at most", lower_bound=1, upper_bound=MOST)
_enum(
    "tuner",
    "random",
    ["random", "hyperband", "bayesian"],
    "sweep: keras-tuner's oracle that chooses the trials",
)
flags.DEFINE_multi_string(
    "space",
    [],
    "sweep: FIELD=log(LOW,HIGH), FIELD=linear(LOW,HIGH) or FIELD=choice(A,B), "
    "a field as for --set; repeatable; default: around the recipe's values",
    flag_values=FLAGS,
)
_integer(
    "workers",
    1,
    "sweep: processes here that train trials at the same time, each with GPUs "
    "of its own where there are any",
    lower_bound=1,
    upper_bound=MOST,
)
_string(
    "html", None, "report: the page to write; runs on it may be under way, and are not recorded"
)
_string("source", None, "prepare: the folder with the downloads (tars, folders, parquet files)")
_integer(
    "shorter_side",
    None,
    "prepare: shrink larger images once to so many pixels; default: as they are",
    lower_bound=32,
    upper_bound=65_500,
)
_integer(
    "jobs", None, "prepare, doctor: processes; default: all cores", lower_bound=1, upper_bound=MOST
)
_string(
    "counts",
    None,
    'prepare: JSON of what a part of a data set has, {"train": {"n01440764": 1300}, ...}',
)
_switch("leave_out_bad", False, "prepare: go on without files that are no whole images, on record")
_switch("download", False, "prepare: let TFDS download a small set")
_switch("deep", False, "doctor: decode every image, too")


def main(argv: list[str]) -> int:
    """Runs one command; the exit code."""
    if {"--help", "-h"} & set(argv[1:]):
        print(f"{__doc__}\nFlags:\n{_flag_help()}")
        return 0
    try:
        words = FLAGS(argv)[1:]
    except flags.Error as error:
        text = str(error).removesuffix(" ?")
        raise UsageError(f"{text}; see python -m launch --help.") from error
    values = {name: FLAGS[name].value for name in FLAGS}
    given = {name for name in FLAGS if FLAGS[name].present}
    _refuse_odd(values, given)
    return dispatch(words, values, given)


def _refuse_odd(values: dict, given: set[str]) -> None:
    """Refuses what absl lets through: values that are empty or no numbers."""
    for name in sorted(given):
        value = values[name]
        if value in ("", []):
            raise UsageError(f"--{name} is empty: give a value, or leave it out.")
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name}={value}: it must be a number.")


def _flag_help() -> str:
    lines = []
    [known] = FLAGS.flags_by_module_dict().values()
    for flag in known:
        silent = flag.default is None or isinstance(flag.default, bool | list)
        default = "" if silent else f" ({flag.default})"
        about = flag.help.partition(";\n")[0]  # absl adds how to repeat it
        text = textwrap.fill(about + default, 56)
        lines.append(textwrap.indent(text, " " * 24))
        lines[-1] = f"  --{flag.name:<20}" + lines[-1][24:]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv)))
