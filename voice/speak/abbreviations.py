"""Words whose period does not, or not always, end a sentence (English)."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


BEFORE_NAME = _words(
    "mr mrs ms dr prof st mt gen col rev capt lt sgt gov sen rep hon messrs"
) | _words("vs approx cf")
"""Never the last word of a sentence."""

BEFORE_NUMBER = _words(
    "no nos fig vol p pp ch sec art jan feb mar apr jun jul aug sep sept oct nov dec"
)
"""Not the last word where a digit follows."""

SOMETIMES_LAST = _words("etc inc ltd co corp jr sr ave blvd dept est ph.d b.a m.a b.c a.d")
"""The last word only where a typical first word of a sentence follows; so are initials."""

NEVER_LAST = _words("e.g i.e") | BEFORE_NAME

FIRST_WORDS = _words(
    """
    a an the this that these those there here it its i i'm i'll i've you you're you'll your he she
    we we're we'll they they're my our his her their in on at for from with to after before when
    while if as since because so but and or then now also however yes no not what who where why how
    which is are do does did can could would should will let let's please thanks sorry one some
    many most all
    """
)
"""Words that begin a sentence more often than they follow an abbreviation with a capital."""
