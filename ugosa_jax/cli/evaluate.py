"""The command `ugosa-jax evaluate`: the stems in one folder are compared with the true ones in another."""

from ugosa_jax import files
from ugosa_jax.cli import options
from ugosa_jax.cli.output import say
from ugosa_jax.data import loading, stems
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError
from ugosa_jax.evaluation import museval, scoring
from ugosa_jax.evaluation.scoring import Evaluation


def evaluate(args: options.Evaluate) -> int:
    """Print the scores of a song's estimates; return 0.

    Raises:
      InputError: stems are missing, cannot be read, or do not fit each other.
    """
    if args.museval_json is not None and args.evaluate.outputs == "both":
        raise InputError("--museval-json: holds one set of scores; say --outputs plain or --outputs gated")
    if args.rule == "target" and args.evaluate.engine == "museval":
        raise InputError("--engine museval: scores only frames in which no source is silent; say --rule museval")
    track = Track(args.references.resolve().name, "folder", args.references)
    song = loading.load_annotated(track, stems.list_names(args.references))
    shape = song.require_stems().shape[1:]
    estimates, notes = stems.read_like(stems.find(args.estimates, song.sources), song.mixture.rate_hz, shape)
    for note in notes:
        say(f"warning: {note}")
    for gated, est_SxCxT in scoring.iterate_outputs(song, estimates, args.evaluate):
        frames = scoring.compute_bss_eval(song, est_SxCxT, args.evaluate)
        found = Evaluation(tuple(scoring.iterate_scores(song, est_SxCxT, gated, frames, args.evaluate)))
        said = track.annotation or "what is made of the true stems"
        print(f"muted where {said} says silent" if gated else "as they are")
        for line in found.table(args.rule, gated):
            say(line)
        if args.museval_json is not None:  # there is one kind of outputs then
            text = museval.to_museval_json(frames, song.sources, args.evaluate, args.rule)
            with files.replaced_when_done(args.museval_json) as temporary:
                temporary.write_text(text, "utf-8")
            say(f"written    {args.museval_json}")
    return 0
