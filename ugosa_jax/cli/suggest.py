"""The command `ugosa-jax annotation suggest`, which writes a draft of an annotation."""

import numpy as np

from ugosa_jax import api
from ugosa_jax.annotations import annotation as annotations
from ugosa_jax.annotations import formats
from ugosa_jax.annotations.draft import draft_annotation
from ugosa_jax.cli import annotation_options as options
from ugosa_jax.cli.annotate import print_seconds
from ugosa_jax.cli.output import cache_compiled_programs, print_line
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.reports import timeline
from ugosa_jax.weights import hub


def suggest(args: options.SuggestAnnotation) -> int:
    """Write a draft from the silence in a network's estimates; return 0, or 1 if there is no silence.

    Raises:
      InputError: the song or the weights cannot be used, or the file cannot be written.
    """
    format = formats.choose_format(args.out)
    cache_compiled_programs()
    name = args.weights
    if name is None:
        choice = hub.choose_best()
        print_line(f"weights {choice}")
        name = choice.name
    base = hub.load_network(name)
    mixture = sound.read(args.song)
    estimates = api.separate(base, Song(mixture), settings=SeparateConfig())
    sources = base.sources
    est_SxCxT = np.stack([estimates[source] for source in sources])
    annotation = draft_annotation(est_SxCxT, mixture.samples_CxT, mixture.rate_hz, sources)
    if not annotation.intervals:
        print("no estimate is quiet enough for long enough to suggest silence; no file was written")
        return 1
    annotations.write_annotation(annotation, args.out, format)
    print_seconds(annotation, mixture.duration_s)
    print("\n".join(("", *timeline.render_text(annotation, mixture.duration_s))))
    advice = "a draft from the network's own estimates: listen to each silence, and correct it"
    print_line(f"written {args.out}: {advice}")
    return 0
