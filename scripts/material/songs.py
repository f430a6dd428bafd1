# pyright: reportMissingImports=false
"""MIDI songs as parts: drums, bass, other, and the lead that a voice may sing."""

import copy
import io
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pretty_midi
from pretty_midi import ControlChange, Instrument, Note, PitchBend

BASS_PROGRAMS = range(32, 40)
CHOIR_PROGRAMS = (52, 53, 54)  # Sampled choirs are replaced by strings, because they are neither "other" nor vocals.
STRINGS = 48
MIN_NOTE_S = 0.01
DRUM_NOTE_S = 0.3  # Drums ring on, because many files release them at once.
KEPT_CONTROLS = (1, 6, 7, 10, 11, 38, 64, 98, 99, 100, 101)


@dataclass(frozen=True)
class Song:
    """A song or an excerpt: lists of one-program instruments, and the times of the beats in seconds."""

    name: str
    seconds: float
    beats_s: np.ndarray
    drums: list[Instrument] = field(default_factory=list)
    bass: list[Instrument] = field(default_factory=list)
    other: list[Instrument] = field(default_factory=list)

    def list_parts(self) -> dict[str, list[Instrument]]:
        """Return the parts by source name."""
        return {"drums": self.drums, "bass": self.bass, "other": self.other}

    def is_complete(self) -> bool:
        """Return whether the song has enough notes of each source and lasts longer than half a minute."""
        notes = {stem: sum(len(p.notes) for p in parts) for stem, parts in self.list_parts().items()}
        return self.seconds > 30 and notes["drums"] >= 20 and notes["bass"] >= 15 and notes["other"] > 0


def iterate_midi_files(unpacked_root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield (name, bytes) of every distinct MIDI song of the unpacked packages, sorted by name.

    A song that occurs more than once gets the first of its names, but a name from FreeDM only if it has no other.
    """
    share = unpacked_root / "usr/share"
    found: dict[str, bytes] = {}
    for episode in (1, 2):
        for lump, data in iterate_wad_midis((share / f"games/doom/freedoom{episode}.wad").read_bytes()):
            found[f"freedoom{episode}-{lump.removeprefix('D_').lower()}"] = data
    for prefix, folder in (
        ("simutrans", share / "games/simutrans/music"),
        ("openmsx", share / "games/openttd/baseset/openmsx"),
        ("planetblupi", share / "planetblupi/music"),
    ):
        for path in folder.glob("*.mid"):
            found[f"{prefix}-{path.stem}"] = path.read_bytes()
    elsewhere = set(found.values())
    for lump, data in iterate_wad_midis((share / "games/doom/freedm.wad").read_bytes()):
        if data not in elsewhere:
            found[f"freedm-{lump.removeprefix('D_').lower()}"] = data
    distinct: set[bytes] = set()
    for name, data in sorted(found.items()):
        if data not in distinct:
            distinct.add(data)
            yield name, data


def iterate_wad_midis(wad: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (lump name, bytes) of the MIDI files inside a Doom WAD.

    A WAD is: 4 bytes magic, int32 number of lumps, int32 offset of the directory; a directory entry is int32
    offset, int32 size, 8 bytes name.
    """
    count, directory = struct.unpack_from("<ii", wad, 4)
    for k in range(count):
        offset, size, name = struct.unpack_from("<ii8s", wad, directory + 16 * k)
        if wad[offset : offset + 4] == b"MThd":
            yield name.split(b"\0")[0].decode("ascii"), wad[offset : offset + size]


def load_song(name: str, data: bytes) -> Song | None:
    """Read a MIDI file and sort its parts into sources; None if it cannot be read or a source is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    except (ValueError, EOFError, OSError, KeyError, IndexError):  # e.g. undefined key signatures in two files
        return None
    except Exception as error:  # mido's own classes derive from Exception alone
        if type(error).__module__.startswith("mido"):
            return None
        raise
    song = sort_parts(name, midi)
    return song if song.is_complete() else None


def sort_parts(name: str, midi: pretty_midi.PrettyMIDI) -> Song:
    """Assign parts to sources: channel 10 is drums, General MIDI bass programs are bass, the rest is other.

    If no part has a bass program, the lowest part is the bass if its mean pitch is below C3 (48).
    """
    parts = [part for part in midi.instruments if part.notes]
    drums = [part for part in parts if part.is_drum]
    pitched = [part for part in parts if not part.is_drum and part.program < 120]
    bass = [part for part in pitched if part.program in BASS_PROGRAMS or part.name.startswith("Bass")]
    if not bass and pitched:
        lowest = min(pitched, key=compute_mean_pitch)
        bass = [lowest] if compute_mean_pitch(lowest) < 48 else []
    other = [part for part in pitched if not any(part is b for b in bass)]
    for part in other:
        part.program = STRINGS if part.program in CHOIR_PROGRAMS else part.program
    return Song(name, midi.get_end_time(), midi.get_beats(), drums, bass, other)


def compute_mean_pitch(part: Instrument) -> float:
    """Return the mean MIDI pitch of a part."""
    return float(np.mean([note.pitch for note in part.notes]))


def find_lead(song: Song) -> Instrument | None:
    """Return the part of "other" that a voice can sing: nearly monophonic, mid range, slow enough; or None."""
    if len(song.other) < 3:
        return None
    candidates = [part for part in song.other if is_singable(part)]
    return max(candidates, key=lambda part: sum(n.end - n.start for n in part.notes), default=None)


def is_singable(part: Instrument) -> bool:
    """Return whether a part is > 90 % monophonic, of mean pitch 55–84, and not faster than a singer."""
    notes = sorted(part.notes, key=lambda note: note.start)
    if len(notes) < 12 or not 55 <= compute_mean_pitch(part) <= 84:
        return False
    onsets_s = np.array([note.start for note in notes])
    ends_s = np.array([note.end for note in notes])
    overlapped = np.mean(ends_s[:-1] > onsets_s[1:] + 0.08)
    return bool(overlapped < 0.1 and np.median(np.diff(onsets_s)) > 0.16)


def find_sounding_seconds(parts: list[Instrument], start_s: float, seconds: int, stretch: float = 1.0) -> np.ndarray:
    """Return, for each second of an excerpt, whether a note sounds in it; bool [seconds]."""
    on = np.zeros(seconds, bool)
    for part in parts:
        for note in part.notes:
            first = max(0, int((note.start - start_s) * stretch))
            last = int((min(note.end, note.start + 8) - start_s) * stretch)
            on[first : max(0, last + 1)] = True
    return on


def cut_excerpt(song: Song, start_s: float, seconds: float, stretch: float = 1.0, transpose: int = 0) -> Song:
    """Return `seconds` of a song from `start_s` on, all times multiplied by `stretch`, pitches shifted."""
    stems = {
        stem: [cut for part in parts if (cut := cut_part(part, start_s, seconds, stretch, transpose)).notes]
        for stem, parts in song.list_parts().items()
    }
    beats_s = (song.beats_s - start_s) * stretch
    beats_s = beats_s[(beats_s >= 0) & (beats_s < seconds)]
    return replace(song, seconds=seconds, beats_s=beats_s, **stems)


def cut_part(part: Instrument, start_s: float, seconds: float, stretch: float, transpose: int) -> Instrument:
    """Cut one part: notes are clipped to the excerpt, controllers set before it take effect at its start.

    Pitched notes of less than 10 ms control other devices and are dropped; drums ring on.

    Every note ends inside the excerpt, so that the length of the rendering does not depend on the file.
    """
    cut = Instrument(part.program, part.is_drum, part.name)
    shift = 0 if part.is_drum else transpose
    for note in part.notes:
        begin = max(0.0, (note.start - start_s) * stretch)
        end = (note.end - start_s) * stretch
        if part.is_drum and end > 0:
            end = max(end, begin + DRUM_NOTE_S)
        end = min(seconds, end)
        pitch = note.pitch + shift
        if end - begin >= MIN_NOTE_S and 0 <= pitch < 128:
            cut.notes.append(Note(note.velocity, pitch, begin, end))
    for change in sorted(part.control_changes, key=lambda c: c.time):
        time_s = max(0.0, (change.time - start_s) * stretch)
        if change.number in KEPT_CONTROLS and time_s < seconds:
            cut.control_changes.append(ControlChange(change.number, change.value, time_s))
    for bend in part.pitch_bends:
        time_s = max(0.0, (bend.time - start_s) * stretch)
        if time_s < seconds:
            cut.pitch_bends.append(PitchBend(bend.pitch, time_s))
    return cut


def insert_rest(parts: list[Instrument], from_s: float, to_s: float) -> list[Instrument]:
    """Return the parts with a rest from `from_s` to `to_s`: notes end before it or are left out."""
    rested = copy.deepcopy(parts)
    for part in rested:
        part.notes = [note for note in part.notes if not from_s <= note.start < to_s]
        for note in part.notes:
            if note.start < from_s < note.end:
                note.end = max(from_s, note.start + 2 * MIN_NOTE_S)
    return [part for part in rested if part.notes]
