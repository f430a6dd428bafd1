"""The commands `prepare`, `evaluate`, `report` and `studio`. Each imports what it needs, so that all start quickly."""

from ugosa_jax import files
from ugosa_jax.cli import options
from ugosa_jax.cli.output import print_line
from ugosa_jax.errors import InputError, require_extra


def prepare(args: options.Prepare) -> int:
    """Prepare the songs that have not been prepared yet, one after the other; return 0.

    Raises:
      InputError: a song cannot be used, or OUT holds other files. The songs prepared so far remain.
    """
    from ugosa_jax.data import manifest
    from ugosa_jax.data import prepare as preparation

    for name, song in preparation.prepare(args.root, args.out, args.subset, args.limit, args.prepare):
        if song is None:
            print(f"{name}: already prepared", flush=True)
            continue
        silent = ", ".join(f"{source} {silent_s:.1f}" for source, silent_s in song.silent_s.items())
        print(f"{name}: {song.samples / song.rate_hz:.1f} s; silent for {silent} s")
        print("".join(f"warning: {name}: {note}\n" for note in song.notes), end="", flush=True)
    n_songs = len(manifest.read(args.out / manifest.MANIFEST).songs)
    print_line(f"written    {args.out} ({n_songs} songs)")
    return 0


def evaluate(args: options.Evaluate) -> int:
    """Print the scores of a song's estimates; return 0.

    Raises:
      InputError: stems are missing, cannot be read, or differ in rate or length.
    """
    from ugosa_jax.data import loading, stems
    from ugosa_jax.data.datasets import Track
    from ugosa_jax.evaluation import museval, scoring
    from ugosa_jax.evaluation.scoring import Evaluation

    if args.museval_json is not None and args.evaluate.outputs == "both":
        raise InputError("--museval-json: the file holds one set of scores; use --outputs plain or --outputs gated")
    if args.rule == "target" and args.evaluate.engine == "museval":
        raise InputError("--engine museval: scores only frames in which no source is silent; use --rule museval")
    track = Track(args.references.resolve().name, "folder", args.references)
    song = loading.load_annotated(track, stems.list_names(args.references))
    shape = song.require_stems().shape[1:]
    estimates, notes = stems.read_estimates(stems.find_stems(args.estimates, song.sources), song.mixture.rate_hz, shape)
    for note in notes:
        print_line(f"warning: {note}")
    for gated, est_SxCxT in scoring.iterate_outputs(song, estimates, args.evaluate):
        frames = scoring.compute_bss_eval(song, est_SxCxT, args.evaluate)
        evaluation = Evaluation(tuple(scoring.iterate_scores(song, est_SxCxT, gated, frames, args.evaluate)))
        labels = track.annotation or "the annotation computed from the true stems"
        print(f"estimates, muted where they are silent in {labels}" if gated else "estimates, unchanged")
        for line in evaluation.table(args.rule, gated):
            print_line(line)
        if args.museval_json is not None:  # there is only one kind of outputs, as checked above
            text = museval.to_museval_json(frames, song.sources, args.evaluate, args.rule)
            with files.replace_when_done(args.museval_json) as temporary:
                temporary.write_text(text, "utf-8")
            print_line(f"written    {args.museval_json}")
    return 0


def report(args: options.Report) -> int:
    """Write the report on sweeps; return 0.

    Raises:
      InputError: an input holds no scores, or the report cannot be written.
    """
    with require_extra("reports"):
        import pandas as pd

        from ugosa_jax.reports.sweep import rows, sweep_report
        from ugosa_jax.sweeps import score_table
    if not args.scores:
        raise InputError("RESULTS: give at least one results directory or table")
    tables = [rows.read_rows(path) if path.suffix == ".csv" else score_table.read_scores(path) for path in args.scores]
    print_line(f"written    {sweep_report.write(pd.concat(tables, ignore_index=True), args.out)}")
    return 0


def studio(args: options.Studio) -> int:
    """Serve the studio until it is interrupted; return 0.

    Raises:
      InputError: a package is missing, or the song, the folder or the port cannot be used.
    """
    with require_extra("studio"):
        from ugosa_jax.studio import server
    return server.run_server(
        args.song, args.work or server.find_default_folder(), args.host, args.port, args.demo, args.browser
    )
