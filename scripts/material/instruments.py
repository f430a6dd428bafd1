# pyright: reportMissingImports=false
"""Play parts on sampled instruments: soundfonts through libfluidsynth, the Freepats bank through TiMidity++."""

import ctypes
import ctypes.util
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pretty_midi
import soundfile
from pretty_midi import ControlChange, Instrument, Note

from fetch import get_unpacked_path
from problems import Problem
from split import BANKS, Split

if TYPE_CHECKING:
    import fluidsynth

RATE_HZ = 44100
DRUM_BANK = 128
LOG_WARNING = 2  # of libfluidsynth's levels
PAN = 10
SOUNDFONTS = {
    "A320U": "usr/share/sounds/sf2/A320U.sf2",
    "TimGM6mb": "usr/share/sounds/sf2/TimGM6mb.sf2",
    "sf_GMbank": "usr/share/sounds/sf2/sf_GMbank.sf2",
    "OPL3": "usr/share/sounds/sf2/OPL-3_FM_128M.sf2",
    "MuseScore_General_Lite": "usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
    "Black_Pearl": "usr/share/sounds/sf2/Black_Pearl_4_LV2.sf2",
    "Red_Zeppelin": "usr/share/sounds/sf2/Red_Zeppelin_4_LV2.sf2",
}
GM_KITS = (0, 8, 16, 24, 25, 32, 40)  # standard, room, power, electronic, TR-808, jazz, brush
DRUM_KITS: dict[str, tuple[int, ...]] = {
    "A320U": GM_KITS,
    "TimGM6mb": GM_KITS,
    "sf_GMbank": GM_KITS,
    "OPL3": (0,),
    "MuseScore_General_Lite": (*GM_KITS, 1, 2, 3, 9, 10, 17, 33),
    "Black_Pearl": (0,),
    "Red_Zeppelin": (0,),
    "freepats": (0,),
}
ACOUSTIC_KITS = ("Black_Pearl", "Red_Zeppelin")
# The recorded kits have few toms and cymbals; General MIDI key: key of the kit.
ACOUSTIC_KEYS = {35: 36, 36: 36, 37: 37, 38: 38, 39: 39, 40: 38, 41: 41, 42: 42, 43: 41, 44: 44, 45: 45, 46: 46,
                 47: 45, 48: 45, 49: 49, 50: 45, 51: 51, 52: 57, 53: 53, 54: 54, 55: 49, 56: 56, 57: 57, 59: 51,
                 69: 61, 70: 61, 82: 61}  # fmt: skip


class Soundfont:
    """A soundfont, loaded once.  Every performance gets a new synthesiser: a used one keeps traces of the last.

    pyfluidsynth neither shares soundfonts nor writes floats, hence the calls into the library itself.
    """

    def __init__(self, path: Path) -> None:
        """Load the soundfont at `path`.

        Raises:
            Problem: the file is not a soundfont.
        """
        self.library = load_fluidsynth()
        loader = make_synth(16)
        number = loader.sfload(str(path))
        if number < 0:
            raise Problem(f"{path}: not a soundfont that libfluidsynth can load")
        self.font = self.library.fluid_synth_get_sfont_by_id(loader.synth, number)
        self.library.fluid_synth_remove_sfont(loader.synth, self.font)
        loader.delete()

    def play(self, parts: list[Instrument], seconds: float, kit: int, detune: float) -> np.ndarray:
        """Play `parts`, drums on the kit number `kit` shifted by `detune` semitones; float32 [2, T].

        Exactly T samples are written, so a note that is never released cannot make it longer.
        """
        synth = make_synth(16 * (1 + len(parts) // 16))
        number = self.library.fluid_synth_add_sfont(synth.synth, self.font)
        for channel, part in enumerate(parts):
            bank, program = (DRUM_BANK, kit) if part.is_drum else (0, part.program)
            if synth.program_select(channel, number, bank, program) < 0:
                synth.program_select(channel, number, bank, 0)
            if part.is_drum:
                synth.pitch_bend(channel, round(4096 * detune))
        out_2xT = np.zeros((2, round(seconds * RATE_HZ)), np.float32)
        at = 0
        for sample, _, action in sorted(iterate_events(parts), key=lambda event: event[:2]):
            at = self.advance(synth, out_2xT, at, sample)
            action(synth)
        self.advance(synth, out_2xT, at, out_2xT.shape[1])
        self.library.fluid_synth_remove_sfont(synth.synth, self.font)
        synth.delete()
        return out_2xT

    def advance(self, synth: "fluidsynth.Synth", out_2xT: np.ndarray, at: int, to: int) -> int:
        """Render the samples from `at` up to `to` into the buffer; return the new position."""
        to = min(to, out_2xT.shape[1])
        if to > at:
            left, right = (out_2xT[c].ctypes.data_as(ctypes.c_void_p) for c in (0, 1))
            self.library.fluid_synth_write_float(synth.synth, to - at, left, at, 1, right, at, 1)
        return max(at, to)


def make_synth(channels: int) -> "fluidsynth.Synth":
    """Return a synthesiser without a soundfont; effects are added later, to each stem."""
    import fluidsynth  # imported here: it needs libfluidsynth, which the rest of this module does not

    effects_off = {"synth.reverb.active": 0, "synth.chorus.active": 0}
    return fluidsynth.Synth(gain=0.3, samplerate=RATE_HZ, channels=channels, **effects_off)


@cache
def load_fluidsynth() -> ctypes.CDLL:
    """Return libfluidsynth with the types of the functions that pyfluidsynth does not offer."""
    library = ctypes.CDLL(ctypes.util.find_library("fluidsynth") or "libfluidsynth.so.3")
    pointer, number = ctypes.c_void_p, ctypes.c_int
    library.fluid_synth_write_float.argtypes = [pointer, number, pointer, number, number, pointer, number, number]
    library.fluid_synth_get_sfont_by_id.argtypes, library.fluid_synth_get_sfont_by_id.restype = (
        [pointer, number],
        pointer,
    )
    library.fluid_synth_add_sfont.argtypes = library.fluid_synth_remove_sfont.argtypes = [pointer, pointer]
    library.fluid_set_log_function(LOG_WARNING, None, None)  # otherwise it reports every channel without a soundfont
    return library


def iterate_events(parts: list[Instrument]):
    """Yield (sample, rank, action on a synthesiser); at one time: releases, controllers, then new notes."""
    for channel, part in enumerate(parts):
        for change in part.control_changes:
            yield (
                round(change.time * RATE_HZ),
                1,
                lambda s, c=channel, e=change: s.cc(c, e.number, e.value),
            )
        for bend in part.pitch_bends if not part.is_drum else ():
            yield round(bend.time * RATE_HZ), 1, lambda s, c=channel, e=bend: s.pitch_bend(c, e.pitch)
        for note in part.notes:
            yield round(note.end * RATE_HZ), 0, lambda s, c=channel, e=note: s.noteoff(c, e.pitch)
            yield round(note.start * RATE_HZ), 2, lambda s, c=channel, e=note: s.noteon(c, e.pitch, e.velocity)


@cache
def load_soundfont(name: str) -> Soundfont:
    """Return the named soundfont, loaded on first use."""
    return Soundfont(get_unpacked_path(SOUNDFONTS[name]))


def load_banks(split: Split) -> None:
    """Load every soundfont of a split, which takes seconds.

    Raises:
        Problem: a file is not a soundfont.
    """
    for bank in (*BANKS[split], *(ACOUSTIC_KITS if split == "train" else ())):
        if bank in SOUNDFONTS:
            load_soundfont(bank)


def play(bank: str, parts: list[Instrument], seconds: float, kit: int = 0, detune: float = 0.0) -> np.ndarray:
    """Play parts on a bank; float32 [2, T] with T = 44100·seconds."""
    if not parts:
        return np.zeros((2, round(seconds * RATE_HZ)), np.float32)
    if bank == "freepats":
        return play_freepats(parts, seconds)
    if bank in ACOUSTIC_KITS:
        parts = [map_to_acoustic_kit(part) for part in parts]
    return load_soundfont(bank).play(parts, seconds, kit, detune)


def map_to_acoustic_kit(part: Instrument) -> Instrument:
    """Map General MIDI drum keys to those of the recorded kits, which are on bank 0, program 0."""
    mapped = Instrument(0, False, part.name)
    mapped.notes = [
        Note(n.velocity, ACOUSTIC_KEYS[n.pitch], n.start, n.end) for n in part.notes if n.pitch in ACOUSTIC_KEYS
    ]
    return mapped


def set_pan(part: Instrument, pan: int) -> Instrument:
    """Place a part in the stereo field (0 left, 64 centre, 127 right) unless its song already does."""
    if not any(change.number == PAN and change.value != 64 for change in part.control_changes):
        part.control_changes.append(ControlChange(PAN, pan, 0.0))
    return part


@cache
def list_freepats_programs() -> tuple[int, ...]:
    """Return the programs that Freepats has; its General MIDI set is incomplete."""
    text = get_unpacked_path("etc/timidity/freepats.cfg").read_text()
    return tuple(int(m) for m in re.findall(r"^\s*(\d+)\s+Tone_000/", text, flags=re.MULTILINE))


@cache
def make_freepats_config() -> str:
    """Return a TiMidity++ configuration that finds the unpacked patches."""
    text = get_unpacked_path("etc/timidity/freepats.cfg").read_text()
    return text.replace("dir /usr/share/midi/freepats", f"dir {get_unpacked_path('usr/share/midi/freepats')}")


def play_freepats(parts: list[Instrument], seconds: float) -> np.ndarray:
    """Play parts with TiMidity++; a missing program is replaced by the nearest one of the bank.

    Raises:
        RuntimeError: TiMidity++ failed.
    """
    midi = pretty_midi.PrettyMIDI(resolution=960)
    for part in parts:
        program = min(list_freepats_programs(), key=lambda p: (abs(p - part.program), p))
        copied = Instrument(0 if part.is_drum else program, part.is_drum)
        copied.notes, copied.control_changes, copied.pitch_bends = part.notes, part.control_changes, part.pitch_bends
        midi.instruments.append(copied)
    out_2xT = np.zeros((2, round(seconds * RATE_HZ)), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        paths = {suffix: Path(folder) / f"part.{suffix}" for suffix in ("cfg", "mid", "wav")}
        paths["cfg"].write_text(make_freepats_config())
        midi.write(str(paths["mid"]))
        command = ["timidity", "-c", str(paths["cfg"]), "-s", str(RATE_HZ), "-Ow", "-EFreverb=0", "-EFchorus=0", "-A50"]
        command += ["-o", str(paths["wav"]), str(paths["mid"])]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if result.returncode or not paths["wav"].exists():
            said = result.stderr.strip().splitlines()[-1:] or ["no message"]
            raise RuntimeError(f"timidity failed: status {result.returncode}, {said[0]}")
        audio_TxC, _ = soundfile.read(paths["wav"], dtype="float32", always_2d=True, frames=out_2xT.shape[1])
    out_2xT[:, : len(audio_TxC)] = audio_TxC.T
    return out_2xT
