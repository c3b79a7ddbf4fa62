"""Text of unknown origin, made fit to be shown: nothing in it steers the page, and it is never longer than a few lines.

    clean("a\\x00b\\u202ec")  ->  "a␀b⟨U+202E⟩c"
    clean("x" * 1_000_000)  ->  "xxx… (1,000,000 characters)"

HTML in it is left alone: the template escapes every value.
"""

import unicodedata

LONGEST = 400  # characters
PICTURES = 0x2400  # Unicode's pictures of the first 32 control characters


def clean(text: str, longest: int = LONGEST) -> str:
    """At most `longest` characters of the text, each of them visible; says how many there were if some are left out."""
    shown = "".join(map(_visible, text[:longest]))
    return shown if len(text) <= longest else f"{shown}… ({len(text):,} characters)"


def _visible(character: str) -> str:
    """The character, or what stands for it if it would be invisible, break the line or turn the direction of others."""
    kind = unicodedata.category(character)
    if kind == "Cc":
        return chr(PICTURES + ord(character)) if ord(character) < 0x20 else "\N{REPLACEMENT CHARACTER}"
    if kind == "Zs":
        return " "
    if kind in ("Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return f"⟨U+{ord(character):04X}⟩"
    return character
