"""Words whose period does not, or not always, end a sentence, and words around it (English)."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


BEFORE_NAME = words("mr mrs ms dr prof mt gen col rev capt lt sgt gov sen rep hon messrs") | words(
    "vs approx cf"
)
"""Never the last word of a sentence."""

TITLES = words("gen col rev lt gov sen rep hon")
"""Written small these are no titles, and may end a sentence ("one more rep.")."""

BEFORE_NUMBER = words(
    "no nos fig vol p pp ch sec art jan feb mar apr jun jul aug sep sept oct nov dec"
)
"""Not the last word where a digit follows."""

SOMETIMES_LAST = words(
    """
    etc al inc ltd co corp bros jr sr st ave blvd rd dept est ext tel ph.d b.a m.a b.c a.d
    ft lb lbs oz hr hrs min mins sec secs yr yrs tbsp tsp mon tue tues wed thu thur thurs fri
    """
)
"""The last word only where a typical first word of a sentence follows; so are initials."""

NEVER_LAST = words("e.g i.e") | BEFORE_NAME

FIRST_WORDS = words(
    """
    a an the this that these those there here it its i i'm i'll i've you you're you'll your he she
    we we're we'll they they're my our his her their in on at for from with to after before when
    while if as since because so but and or then now also however yes no not what who where why how
    which is are do does did can could would should will let let's please thanks sorry one some
    many most all nobody everybody everyone somebody have has had was were just next first finally
    maybe perhaps well today tomorrow
    """
)
"""Words that begin a sentence more often than they follow an abbreviation with a capital."""

SAYING = words("said says asked asks replied answered shouted cried whispered added wondered")
"""After a quotation and a name: the sentence goes on."""

ORDINAL_PERIODS = words("de da nb nn no fi cs sk pl hu hr sl et lv is tr sr")
"""Languages that write "the 5th" as "5."."""
