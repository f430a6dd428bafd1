"""The command `ugosa-jax prepare`: songs with stems in, a data set with activations and silent stretches out."""

from ugosa_jax.cli import options
from ugosa_jax.cli.output import say
from ugosa_jax.data import manifest
from ugosa_jax.data import prepare as data
from ugosa_jax.data.manifest import PreparedSong


def prepare(args: options.Prepare) -> int:
    """Prepare the songs that are not there yet, one after the other; return 0.

    Raises:
      InputError: a song cannot be used, or OUT holds something else. Songs prepared before stay.
    """
    for name, entry in data.prepare(args.root, args.out, args.subset, args.limit, args.prepare):
        print(f"{name}: is there" if entry is None else said_of(name, entry), flush=True)
    n_songs = len(manifest.read(args.out / manifest.MANIFEST).songs)
    say(f"written    {args.out} ({n_songs} songs)")
    return 0


def said_of(name: str, entry: PreparedSong) -> str:
    """Return the line that is printed of a song, and a line for each note."""
    silent = ", ".join(f"{source} {silent_s:.1f}" for source, silent_s in entry.silent_s.items())
    line = f"{name}: {entry.samples / entry.rate_hz:.1f} s; silent for {silent} s"
    return "\n".join([line, *(f"warning: {name}: {note}" for note in entry.notes)])
