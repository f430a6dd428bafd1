"""Labels that say nothing of any source: warnings that name them, and what to say when nothing else is left."""

from ugosa_jax.annotations.formats.label import Label, shown

WARNED = 3
"""Labels of a kind that are left out with a warning each; of more, there is one warning for all."""


def described(kind: str, labels: list[Label]) -> str:
    """Return in a few words what is left out and why: so many labels of a kind."""
    texts = list(dict.fromkeys(label.text for label in labels if label.text))
    return f"{_counted(kind, labels)}{f' ({_such(texts)})' if texts else ''}{_WHY[kind]}"


def warnings(kind: str, labels: list[Label]) -> list[str]:
    """Return warnings, one by one if they are few; what the user left out needs none."""
    if kind == "map":
        return []
    what = _KINDS[kind][0]
    if kind == "stem":
        labels = list({label.text: label for label in reversed(labels)}.values())[::-1]
    if len(labels) <= WARNED or kind == "stem":
        return [f"{i.path}:{i.line}: left out: {what} {shown(i.text)}{_WARNING[kind]}" for i in labels]
    first, texts = labels[0], list(dict.fromkeys(label.text for label in labels))
    counted = f"{_counted(kind, labels)} ({_such(texts)})"
    return [f"{first.path}:{first.line}: left out: {counted}{_WARNING[kind]}; this is the first"]


def _counted(kind: str, labels: list[Label]) -> str:
    return f"{len(labels)} {_KINDS[kind][len(labels) > 1]}"


def _such(texts: list[str]) -> str:
    return ", ".join(map(shown, texts[:3])) + (" …" if len(texts) > 3 else "")


_KINDS = {
    "point": ("point label", "point labels"),
    "silence of nobody": ("label", "labels"),
    "stem": ("stem", "stems"),
    "map": ("label", "labels"),
    "sections": ("section", "sections"),
    "words": ("label", "labels"),
}
_WHY = {
    "point": " without length: mark regions",
    "silence of nobody": ", which name nobody who is silent",
    "stem": ", of which nobody knows whose they are",
    "map": ", which --map leaves out",
    "sections": ", which do not name who plays",
    "words": " of a file of words",
}
_WARNING = {
    "point": "",
    "silence of nobody": ": it does not say who is silent",
    "stem": ": its instruments are not known, or are several sources'",
    "map": "",
    "sections": ": beside labels that name who plays, it does not",
    "words": ": the file is called after words or sounds, not after a source",
}
