"""Clauses as a voice agent says them: six of each length."""

from __future__ import annotations

CLAUSES: dict[int, tuple[str, ...]] = {
    1: ("Sure.", "Yes.", "Done.", "Okay,", "Goodbye!", "Really?"),
    4: (
        "It is ten thirty.",
        "I turned it off,",
        "Here is the weather.",
        "What would you like?",
        "Your timer is set.",
        "Let me check that.",
    ),
    12: (
        "I left the keys in the garden, next to the old tree.",
        "The light in the kitchen is on, and the door is locked.",
        "Tomorrow it will be sunny in the morning and cloudy after lunch.",
        "Your first meeting begins at nine, and the second one at eleven.",
        "I could not find that song, but here is another by her.",
        "Would you like me to remind you again in about an hour?",
    ),
    25: (
        "You can make pancakes with flour, eggs, milk, and a little sugar, and then fry them "
        "slowly in butter until both the sides are golden.",
        "The bridge was built in the last century, and for many years it was the longest one in "
        "the country that people could cross freely.",
        "If you leave now and take the train from the central station, you will arrive a few "
        "minutes before the concert begins, even with rain.",
        "There are three messages from your sister, two from the office about the report, and "
        "one from a number that I do not know.",
        "Once upon a time there was a dog who loved to play in the park, and every day she "
        "brought home a different old stick.",
        "I can set the heating to twenty degrees in the living room, turn it down at night, and "
        "switch it off while you are away.",
    ),
}
"""Number of words to clauses."""
