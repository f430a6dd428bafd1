"""The song "Row Me Home": form, chords, melody, words, bass line and drum patterns.

G major, 120 beats a minute, sixteen bars of four beats: a bar lasts 2 s, the song 32 s.

    bar      1   2   3   4   5   6   7   8   9  10  11  12  13  14  15  16
             intro   riff    verse   bridge  chorus          break   outro
    chord    G  Em·D G  C·D  Em  C   Am  D   G  D/F# Em C·D  Am  (D) C·D G
    drums    -   -   x   x   x   x   x   x   x   x   x   x   -   x   x   x
    bass     -   -   x   x   x   x   x   x   x   x   x   x   -   -   x   x
    other    x   x   x   x   x   x   -   -   x   x   x   x   x   -   x   x
    vocals   -   -   -   -½  x   x   x   x   x   x   x   x   x   x   -   -
"""

from notes import Note, at, line, steps, strum

TITLE = "Row Me Home"
BEAT_S = 0.5
BARS = 16
SECONDS = 32.0

# Silences as (first beat, last beat), from bar line to bar line, except that the voice begins in the middle of bar 4.
SILENT: dict[str, list[tuple[float, float]]] = {
    "drums": [(at(1), at(3)), (at(13), at(14))],
    "bass": [(at(1), at(3)), (at(13), at(15))],
    "other": [(at(7), at(9)), (at(14), at(15))],
    "vocals": [(at(1), at(4, 3)), (at(15), at(17))],
}

# Open guitar chords, from the lowest string up.
G, EM, C = (43, 47, 50, 55, 59, 67), (40, 47, 52, 55, 59, 64), (48, 52, 55, 60, 64)
D, D_FS = (50, 57, 62, 66), (42, 50, 57, 62, 66)
ROOTS = {G: 43, EM: 40, C: 48, D: 50, D_FS: 50}
CHORDS: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    1: (G, G), 2: (EM, D), 3: (G, G), 4: (C, D), 5: (EM, EM), 6: (C, C), 9: (G, G), 10: (D_FS, D),
    11: (EM, EM), 12: (C, D), 15: (C, D), 16: (G, G),
}  # fmt: skip

WORDS = """So low the moon, so far away, we row, we row until the day.
Oh, river, carry me home, over the sea, alone no more.
Oh, row me home, row me home."""
# Phonemes in the notation of hibari-tts: A, I, O, W are the diphthongs of day, my, low, now.
MELODY: list[tuple[int, float, float, int, str]] = [
    (4, 4.5, 0.5, 62, "sˈO"), (5, 1.0, 1.5, 67, "lˈO"), (5, 2.5, 0.5, 66, "ðˈʌ"), (5, 3.0, 1.5, 71, "mˈun"),
    (5, 4.5, 0.5, 69, "sˈO"), (6, 1.0, 1.5, 67, "fˈɑɹ"), (6, 2.5, 0.5, 66, "ˈʌ"), (6, 3.0, 0.75, 64, "wˈA"),
    (6, 4.5, 0.5, 62, "wˈi"), (7, 1.0, 1.5, 64, "ɹˈO"), (7, 2.5, 0.5, 64, "wˈi"), (7, 3.0, 1.5, 69, "ɹˈO"),
    (7, 4.5, 0.5, 67, "ˈʌn"), (8, 1.0, 1.0, 66, "tˈɪl"), (8, 2.0, 0.5, 64, "ðˈʌ"), (8, 2.5, 1.75, 69, "dˈA"),
    (9, 1.0, 1.5, 74, "ˈO"), (9, 2.5, 1.0, 71, "ɹˈɪ"), (9, 3.5, 1.1, 67, "vˈɜɹ"),
    (10, 1.0, 1.0, 69, "kˈɛ"), (10, 2.0, 0.5, 66, "ɹˈi"), (10, 2.5, 0.5, 71, "mˈi"), (10, 3.0, 1.25, 69, "hˈOm"),
    (11, 1.0, 1.0, 67, "ˈO"), (11, 2.0, 0.5, 69, "vˈɜɹ"), (11, 2.5, 0.5, 71, "ðˈʌ"), (11, 3.0, 1.5, 74, "sˈi"),
    (11, 4.5, 0.5, 71, "ˈʌ"), (12, 1.0, 1.5, 72, "lˈOn"), (12, 2.5, 0.5, 71, "nˈO"), (12, 3.0, 1.25, 69, "mˈɔɹ"),
    (13, 1.0, 1.0, 72, "ˈO"), (13, 2.0, 1.0, 71, "ɹˈO"), (13, 3.0, 0.5, 69, "mˈi"), (13, 3.5, 1.2, 67, "hˈOm"),
    (14, 1.0, 1.0, 69, "ɹˈO"), (14, 2.0, 0.5, 71, "mˈi"), (14, 2.5, 1.6, 74, "hˈOm"),
]  # fmt: skip

BASS: dict[int, list[tuple[float, float, int]]] = {
    3: [(1, 0.9, 31), (2.5, 0.4, 31), (3, 0.9, 31), (4, 0.4, 38), (4.5, 0.4, 35)],
    4: [(1, 0.9, 36), (2.5, 0.4, 36), (3, 0.9, 38), (4, 0.4, 38), (4.5, 0.4, 30)],
    5: [(1, 1.4, 28), (2.5, 0.4, 28), (3, 0.9, 40), (4, 0.4, 38), (4.5, 0.4, 35)],
    6: [(1, 1.4, 36), (2.5, 0.4, 36), (3, 0.9, 31), (4, 0.4, 36), (4.5, 0.4, 35)],
    7: [(1, 0.9, 33), (2, 0.4, 40), (2.5, 0.4, 45), (3, 0.4, 43), (3.5, 0.4, 40), (4, 0.4, 36), (4.5, 0.4, 35)],
    8: [(1, 0.9, 38), (2, 0.4, 45), (2.5, 0.4, 48), (3, 0.4, 45), (3.5, 0.4, 42), (4, 0.4, 38), (4.5, 0.4, 30)],
    9: [(1 + k / 2, 0.45, p) for k, p in enumerate((31, 31, 31, 43, 31, 31, 38, 35))],
    10: [(1 + k / 2, 0.45, p) for k, p in enumerate((30, 30, 30, 42, 38, 38, 38, 33))],
    11: [(1 + k / 2, 0.45, p) for k, p in enumerate((28, 28, 28, 40, 28, 28, 35, 38))],
    12: [(1 + k / 2, 0.4, p) for k, p in enumerate((36, 36, 36, 43, 38, 38, 42))],
    15: [(1, 0.9, 36), (2.5, 0.4, 36), (3, 0.9, 38), (4, 0.4, 38), (4.5, 0.4, 30)],
    16: [(1, 3.4, 31)],
}

KICK, STICK, SNARE, CLAP, HAT, OPEN, CRASH, RIDE = 36, 37, 38, 39, 42, 46, 49, 51
FLOOR_TOM, LOW_TOM, HIGH_TOM, TAMBOURINE = 43, 45, 50, 54
LOUDNESS = {"X": 116, "x": 98, "o": 74, "g": 42}
GROOVE = {KICK: "X.....x. x.....g.", SNARE: "....X..g .g..X...", HAT: "x.o.x.o. x.o.x.o."}
BRIDGE = {KICK: "X..x..x. ..x.x...", STICK: "....x... ....x..o", HAT: "xgogxgog xgogxgog"}
CHORUS = {
    KICK: "X..x..x. X.x...x.",
    SNARE: "....X... ....X..g",
    RIDE: "x.x.x.x. x.x.x.x.",
    TAMBOURINE: "..o...o. ..o...o.",
}
DRUMS: dict[int, dict[int, str]] = {
    3: GROOVE | {CRASH: "X....... ........"},
    4: GROOVE | {SNARE: "....X..g .g..X.xx", HAT: "x.o.x.o. x.o.x..."},
    5: GROOVE,
    6: GROOVE | {OPEN: "........ ......x.", HAT: "x.o.x.o. x.o.x..."},
    7: BRIDGE,
    8: {KICK: "X..x..x. x...x...", STICK: "....x... ........", SNARE: "........ x.xX....",
        HIGH_TOM: "........ ....xx..", LOW_TOM: "........ ......x.", FLOOR_TOM: "........ .......X",
        HAT: "xgogxgog ........"},
    9: CHORUS | {CRASH: "X....... ........"},
    10: CHORUS,
    11: CHORUS | {CRASH: "x....... ........"},
    12: CHORUS | {SNARE: "....X... ....XxX.", RIDE: "x.x.x.x. x.x.....", KICK: "X..x..x. X.x.X.X."},
    14: {KICK: "X...X... X...X...", CLAP: "....x... ....x...", SNARE: "........ gggoooxX"},
    15: GROOVE | {CRASH: "X....... ........", SNARE: "....X... ....xxXX", HAT: "x.o.x.o. x......."},
    16: {KICK: "X....... ........", CRASH: "X....... ........", SNARE: "x....... ........"},
}  # fmt: skip

RIFF: dict[int, list[tuple[float, float, int]]] = {
    3: [(1, 0.7, 74), (1.75, 0.7, 71), (2.5, 0.45, 69), (3, 0.45, 67), (3.5, 0.45, 69), (4, 0.9, 71)],
    4: [(1, 0.7, 76), (1.75, 0.7, 74), (2.5, 0.45, 71), (3, 0.45, 69), (3.5, 0.45, 66), (4, 0.9, 69)],
    15: [(1, 0.7, 76), (1.75, 0.7, 74), (2.5, 0.45, 71), (3, 0.45, 69), (3.5, 0.45, 66), (4, 0.9, 69)],
    16: [(1, 3.4, 67), (1, 3.4, 71)],
}


def drums() -> list[Note]:
    """Return the drum part."""
    return [n for bar, kit in DRUMS.items() for drum, signs in kit.items() for n in steps(bar, signs, drum, LOUDNESS)]


def bass() -> list[Note]:
    """Return the bass line."""
    return [note for bar, figure in BASS.items() for note in line(bar, figure, 92)]


def vocals() -> list[Note]:
    """Return the melody with its words, louder in the chorus."""
    return [Note(at(bar, b), n, p, 100 if bar in range(9, 13) else 88, word) for bar, b, n, p, word in MELODY]


def electric_guitar() -> list[Note]:
    """Return the riff, and short notes between the beats of the chorus."""
    riff = [note for bar, figure in RIFF.items() for note in line(bar, figure, 94)]
    answers = [(1.5, 0.3), (2.5, 0.3), (3.5, 0.3), (4.5, 0.3)]
    return riff + [Note(at(bar, b), n, CHORDS[bar][b >= 3][-2] + 12, 66) for bar in range(9, 13) for b, n in answers]


def overdriven_guitar() -> list[Note]:
    """Return the power chords of chorus and outro: root, fifth and octave for each half bar."""
    notes: list[Note] = []
    for bar in (9, 10, 11, 12, 15):
        for half, chord in enumerate(CHORDS[bar]):
            root = ROOTS[chord]
            notes += strum(at(bar, 1 + 2 * half), 1.8, (root, root + 7, root + 12), 84)
    return notes + strum(at(16), 3.4, (ROOTS[G], 50, 55), 88)


def acoustic_guitar() -> list[Note]:
    """Return picked chords in intro, riff and verse, strummed ones in chorus and outro."""
    notes: list[Note] = []
    for bar in range(1, 7):
        for eighth in range(8 if bar != 6 else 7):
            chord = CHORDS[bar][eighth >= 4]
            string = (0, 2, 3, len(chord) - 1)[eighth % 4] if eighth != 6 else 3
            notes.append(Note(at(bar, 1 + eighth / 2), 0.9 if bar == 6 else 1.4, chord[string], 104 - 8 * (eighth % 2)))
    for bar in (9, 10, 11, 12, 15):
        for step in (0, 4, 6, 8, 10, 12, 14):  # sixteenths; the upstrokes catch the high strings only
            chord = CHORDS[bar][step >= 8]
            strings = chord if step % 4 == 0 else chord[:1:-1]
            notes += strum(at(bar, 1 + step / 4), 0.45, strings, 84 - 3 * (step % 4), spread=0.025)
    return notes + strum(at(16), 3.4, G, 90, spread=0.05)


def keys() -> list[Note]:
    """Return the electric piano of the verse: close chords, on the first beat and around the third."""
    notes: list[Note] = []
    for bar in (3, 4, 5, 6):
        for beat, beats in ((1, 1.4), (2.5, 0.4), (3, 1.3)):
            notes += strum(at(bar, beat), beats, close(CHORDS[bar][beat >= 3]), 68, spread=0.01)
    return notes


def piano() -> list[Note]:
    """Return the grand piano of the break, A minor 7 broken upwards, and the last chord."""
    rising = [(1, 3.6, 45), (1, 3.6, 57), (1.5, 3.1, 60), (2, 2.6, 64), (2.5, 2.1, 67), (3, 1.6, 72), (3.5, 1.1, 67)]
    return line(13, rising, 80) + strum(at(16), 3.4, (55, 59, 62, 67), 78)


def pad() -> list[Note]:
    """Return held chords: warm in the intro, under the chorus and at the end."""
    halves = [(bar, half) for bar in (1, 2, 9, 10, 11, 12, 15, 16) for half in (0, 1)]
    return [Note(at(b, 1 + 2 * h), 1.95, p, 64) for b, h in halves for p in close(CHORDS[b][h])]


def close(chord: tuple[int, ...]) -> tuple[int, ...]:
    """Return a chord's pitch classes in close position around middle C."""
    return tuple(sorted({55 + (pitch - 55) % 12 for pitch in chord}))
