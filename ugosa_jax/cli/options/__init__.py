"""What can be said to each command: dataclasses without behaviour. Their defaults and docstrings make up --help.

Options within options have no name of their own on the command line: `OmitArgPrefixes` gives them a part of the page,
`arg(name="")` lays them out among the others.
"""

from ugosa_jax.cli.options.annotate import (
    AnnotateStems,
    AnnotationCommand,
    CheckAnnotation,
    ConvertAnnotation,
    Reading,
    ReadingForSources,
    SuggestAnnotation,
)
from ugosa_jax.cli.options.bench import Bench
from ugosa_jax.cli.options.experiments import Collect, Evaluate, Prepare, Report, RunSweep, Status, Sweep
from ugosa_jax.cli.options.song import Demo, Separate, Studio
from ugosa_jax.cli.options.weights import Convert, Download, ListWeights, Show, Weights

__all__ = [
    "AnnotateStems",
    "AnnotationCommand",
    "Bench",
    "CheckAnnotation",
    "Collect",
    "Convert",
    "ConvertAnnotation",
    "Demo",
    "Download",
    "Evaluate",
    "ListWeights",
    "Prepare",
    "Reading",
    "ReadingForSources",
    "Report",
    "RunSweep",
    "Separate",
    "Show",
    "Status",
    "Studio",
    "SuggestAnnotation",
    "Sweep",
    "Weights",
]
