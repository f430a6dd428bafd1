"""The command `ugosa-jax annotation suggest`: a first draft of an annotation."""

import numpy as np

from ugosa_jax import api
from ugosa_jax.annotations import annotation, formats
from ugosa_jax.annotations.draft import draft_annotation
from ugosa_jax.cli import options
from ugosa_jax.cli.annotate import print_seconds
from ugosa_jax.cli.output import keep_compiled_programs, say
from ugosa_jax.config import SeparateConfig
from ugosa_jax.data import sound
from ugosa_jax.data.song import Song
from ugosa_jax.reports import timeline
from ugosa_jax.weights import hub


def suggest(args: options.SuggestAnnotation) -> int:
    """Write where the network, not adapted, hears nothing of a source; return 0, or 1 if that is nowhere.

    Raises:
      InputError: the song or the weights cannot be used, or the file not be written.
    """
    format = formats.choose_format(args.out)
    keep_compiled_programs()
    base = hub.load_network(args.weights)
    mixture = sound.read(args.song)
    estimates = api.separate(base, Song(mixture), settings=SeparateConfig())
    sources = base.sources
    est_SxCxT = np.stack([estimates[source] for source in sources])
    said = draft_annotation(est_SxCxT, mixture.samples_CxT, mixture.rate_hz, sources)
    if not said.intervals:
        print("nowhere does the network hear so little of a source that it is worth a claim: nothing was written")
        return 1
    annotation.write(said, args.out, format)
    print_seconds(said, mixture.duration_s)
    print("\n".join(("", *timeline.text(said, mixture.duration_s))))
    advice = "a draft that the network made of its own estimates: listen to each silence, and correct it"
    say(f"written {args.out}: {advice}")
    return 0
