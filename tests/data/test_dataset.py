"""Data sets on disk: recognition, lists of songs, refusals."""

import pytest

from ugosa_jax.data import datasets
from ugosa_jax.data.datasets import Track
from ugosa_jax.errors import InputError

STEMS = ("drums", "bass", "other", "vocals")


def touch(root, *names: str):
    """Make empty files; the tests do not read them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def song(name: str, suffix: str = ".wav") -> list[str]:
    return [f"{name}/{part}{suffix}" for part in ("mixture", *STEMS)]


def refused(root, *words: str, **options) -> None:
    """Assert that listing fails with one line that names the root and says `words`."""
    with pytest.raises(InputError) as caught:
        datasets.list_tracks(root, **options)
    assert str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_folder_of_songs_is_listed(tmp_path):
    touch(tmp_path, *song("b"), *song("a", ".flac"), *song(".hidden"), "a/annotation.csv", "notes/x.txt", "readme.md")
    tracks = datasets.list_tracks(tmp_path)
    assert tracks == [Track("a", "folder", tmp_path / "a"), Track("b", "folder", tmp_path / "b")]
    assert [track.annotation for track in tracks] == [tmp_path / "a" / "annotation.csv", None]


def test_musdb18hq_is_listed(tmp_path):
    touch(tmp_path, *song("train/B - b"), *song("train/A - a"), *song("test/A - c"))
    tracks = datasets.list_tracks(str(tmp_path))
    assert [(track.name, track.kind, track.subset) for track in tracks] == [
        ("A - a", "musdb18hq", "train"),
        ("B - b", "musdb18hq", "train"),
        ("A - c", "musdb18hq", "test"),
    ]
    assert tracks[2].path == tmp_path / "test" / "A - c"
    assert [track.name for track in datasets.list_tracks(tmp_path, "test")] == ["A - c"]


def test_half_of_musdb18hq_is_a_folder(tmp_path):
    touch(tmp_path, *song("test/A"), *song("train/B"))
    assert datasets.list_tracks(tmp_path / "test") == [Track("A", "folder", tmp_path / "test" / "A")]


def test_musdb18_is_listed(tmp_path):
    touch(tmp_path, "train/B - b.stem.mp4", "test/Z. - z.stem.mp4", "test/A.stem.mp4", "test/.x.stem.mp4")
    tracks = datasets.list_tracks(tmp_path, "test")
    assert tracks[0] == Track("A", "musdb18", tmp_path / "test" / "A.stem.mp4", "test")
    assert [track.name for track in tracks] == ["A", "Z. - z"]
    assert tracks[0].annotation is None
    assert len(datasets.list_tracks(tmp_path)) == 3


def test_folder_of_stem_arrays_is_listed(tmp_path):
    touch(tmp_path, "b.npy", "a.b.npy", "manifest.json")
    assert datasets.list_tracks(tmp_path)[0] == Track("a.b", "arrays", tmp_path / "a.b.npy")
    assert [track.name for track in datasets.list_tracks(tmp_path)] == ["a.b", "b"]


def test_a_folder_may_hold_a_song_called_test(tmp_path):
    touch(tmp_path, *song("test"))
    assert datasets.list_tracks(tmp_path) == [Track("test", "folder", tmp_path / "test")]


def test_list_tracks_selects_by_limit_and_names(tmp_path):
    touch(tmp_path, *song("a"), *song("b"), *song("c"))
    assert [track.name for track in datasets.list_tracks(tmp_path, limit=2)] == ["a", "b"]
    assert [track.name for track in datasets.list_tracks(tmp_path, limit=9)] == ["a", "b", "c"]
    assert [track.name for track in datasets.list_tracks(tmp_path, names=["c", "a"])] == ["c", "a"]
    assert [track.name for track in datasets.list_tracks(tmp_path, limit=1, names=["c", "a"])] == ["c"]


def test_unknown_song_is_refused_with_a_suggestion(tmp_path):
    touch(tmp_path, *song("River song"))
    refused(tmp_path, "no song 'river song'", "did you mean 'River song'?", names=["river song"])
    with pytest.raises(InputError, match=r"no song '17'$"):
        datasets.list_tracks(tmp_path, names=["17"])


@pytest.mark.parametrize("limit", [0, -1])
def test_invalid_limit_is_refused(tmp_path, limit):
    with pytest.raises(InputError, match="limit must be at least 1"):
        datasets.list_tracks(touch(tmp_path, *song("a")), limit=limit)


@pytest.mark.parametrize("names", [(), ("train/x.txt", "test/y.txt"), ("a/x.txt",), ("drums.wav", "mixture.wav")])
def test_folder_without_songs_is_refused(tmp_path, names):
    refused(touch(tmp_path, *names), "holds no songs", "SONG/mixture.wav", "{train,test}/SONG.stem.mp4", "SONG.npy")


def test_missing_root_is_refused(tmp_path):
    refused(tmp_path / "none", "cannot be read as a folder", "No such file")


def test_root_that_is_a_file_is_refused(tmp_path):
    refused(touch(tmp_path, "file") / "file", "cannot be read as a folder", "Not a directory")


def test_half_of_musdb18_is_refused(tmp_path):
    refused(touch(tmp_path, "A.stem.mp4"), "one half of MUSDB18")


def test_subset_of_a_plain_folder_is_refused(tmp_path):
    refused(touch(tmp_path, *song("a")), "no subset 'test'", subset="test")


def test_subset_without_songs_is_refused(tmp_path):
    touch(tmp_path, *song("train/a"))
    with pytest.raises(InputError, match="test: holds no songs"):
        datasets.list_tracks(tmp_path, "test")


def test_list_inputs_names_the_files_of_a_song(tmp_path):
    touch(tmp_path, *song("a"), "a/guitar.wav", "a/.drums.wav")
    files = datasets.list_inputs(Track("a", "folder", tmp_path / "a"), ("vocals", "drums"))
    assert list(files) == ["mixture", "vocals", "drums"]
    assert files["drums"] == tmp_path / "a" / "drums.wav"
    track = Track("a", "arrays", tmp_path / "a.npy")
    assert datasets.list_inputs(track, STEMS) == {"song": tmp_path / "a.npy"}


def test_list_inputs_ignores_capitals_and_format(tmp_path):
    touch(tmp_path, "a/Mixture.OGG", "a/DRUMS.wav", "a/bass.flac", "a/other.mp3", "a/Vocals.aiff")
    files = datasets.list_inputs(Track("a", "folder", tmp_path / "a"), STEMS)
    names = ["Mixture.OGG", "DRUMS.wav", "bass.flac", "other.mp3", "Vocals.aiff"]
    assert [path.name for path in files.values()] == names


def test_list_inputs_accepts_a_missing_mixture(tmp_path):
    touch(tmp_path, *song("a"))
    (tmp_path / "a" / "mixture.wav").unlink()
    assert list(datasets.list_inputs(Track("a", "folder", tmp_path / "a"), STEMS)) == list(STEMS)
    touch(tmp_path, "a/guitar.wav")  # part of a mixture that does not exist
    with pytest.raises(InputError, match=r"a: no mixture\.wav, .* because of guitar\.wav"):
        datasets.list_inputs(Track("a", "folder", tmp_path / "a"), STEMS)


def test_list_inputs_refuses_a_missing_stem(tmp_path):
    touch(tmp_path, *song("a"))
    (tmp_path / "a" / "bass.wav").unlink()
    with pytest.raises(InputError, match=r"a: no bass\.wav"):
        datasets.list_inputs(Track("a", "folder", tmp_path / "a"), STEMS)


@pytest.mark.parametrize("what", ["bass", "mixture"])
def test_list_inputs_refuses_two_files_of_one_source(tmp_path, what):
    touch(tmp_path, *song("a"), f"a/{what}.flac")
    with pytest.raises(InputError, match=rf"a: {what}\.flac and {what}\.wav: which one is the {what}\?"):
        datasets.list_inputs(Track("a", "folder", tmp_path / "a"), STEMS)
