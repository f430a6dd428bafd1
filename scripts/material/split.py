"""The songs, speakers and instruments of the splits train, valid and test.

The demo song (scripts/demo_song) uses FluidR3 and another voice; neither is used here.

Soundfonts are split by *family*, because many share samples.  Comparing the raw samples, a quarter of
sf_GMbank's audio is bit-equal to TimGM6mb's and 391 of its 488 sample names recur; A320U shares half its names
with both: one family, used for training.  MuseScore_General descends from FluidR3: test and demo.  Freepats
and the OPL3 (FM synthesis) bank share nothing with either.
"""

import hashlib
from typing import Literal

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

# Every 9th of the songs longer than 30 s that have drums, a bass and another part, in alphabetical order.
TEST_SONGS = frozenset({
    "freedoom1-e1m6", "freedoom1-e2m8", "freedoom2-ampie", "freedoom2-in_cit", "freedoom2-shawn",
    "freedoom2-ultima", "openmsx-linns_basket", "openmsx-the_hobo_redfarn", "planetblupi-music003",
    "simutrans-04-Simutrans-B-Theme", "simutrans-15-The-Wayside-Blues", "simutrans-24-needlessly-striking",
    "simutrans-35-deep-ride", "simutrans-47-Salty-Breeze",
})  # fmt: skip
VALID_SONGS = frozenset({
    "freedoom1-e1m1", "freedoom1-e2m1", "freedoom2-romero", "freedoom2-theda2", "openmsx-modern_motion",
    "openmsx-say_what_redfarn", "planetblupi-music006", "simutrans-10-Easy-driving",
    "simutrans-22-Variable-Journeys", "simutrans-49-Last-Sunday",
    # Of FreeDM's songs that share less than a twelfth of their 8-interval figures with any song here: every second.
    "freedm-adrian", "freedm-count2", "freedm-ddtbl3", "freedm-dead", "freedm-evil",
    "freedm-messag", "freedm-romer2", "freedm-runni2", "freedm-shawn3", "freedm-stlks2",
})  # fmt: skip
# Share more than a tenth of their 8-interval melodic figures with a test song: used nowhere.
WITHHELD_SONGS = frozenset({"simutrans-08-The-journey-home", "freedoom1-e2m2"})

# A speaker is a language folder of klettres (kl) or ktuberling (kt).  The same language in both packages may be
# the same person, so both folders go to the same side.
TEST_LANGUAGES = frozenset({"it", "nn", "nl"})
VALID_LANGUAGES = frozenset({"cs", "sl", "nds"})
NOISY_SPEAKERS = frozenset({"kl_tn", "kt_gl"})  # hardly any voiced frame, used nowhere

BANKS: dict[Split, tuple[str, ...]] = {
    "train": ("A320U", "TimGM6mb", "sf_GMbank", "OPL3"),
    "valid": ("freepats",),
    "test": ("MuseScore_General_Lite",),
}
DEMO_BANK = "FluidR3_GM"


def find_split_of_song(name: str) -> Split | None:
    """Return the split of a song; None for withheld songs, such as the remaining songs of FreeDM."""
    if name in TEST_SONGS:
        return "test"
    if name in VALID_SONGS:
        return "valid"
    return None if name in WITHHELD_SONGS or name.startswith("freedm-") else "train"


def find_split_of_speaker(speaker: str) -> Split | None:
    """Return the split of a speaker such as "kl_it"; None for unusable recordings."""
    if speaker in NOISY_SPEAKERS:
        return None
    language = speaker.split("_", 1)[1]
    return "test" if language in TEST_LANGUAGES else "valid" if language in VALID_LANGUAGES else "train"


def make_seed(*what: object) -> int:
    """Return a seed that depends only on the arguments, on every machine."""
    text = "/".join(map(str, what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
