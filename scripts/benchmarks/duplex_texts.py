"""What the agent says while it is interrupted: stories of common words, few of them twice."""

from __future__ import annotations

import itertools

STORIES = (
    "A young fisherman lived beside a quiet lake with his mother and two brown goats. Every "
    "morning he pushed the wooden boat into the water before sunrise. One day a heavy silver "
    "box came up in his net. Inside it lay seven letters, a broken watch and the picture of a "
    "smiling girl. He carried everything home and asked the neighbors what they knew about "
    "it.",
    "The old train left the station at noon and climbed slowly into the mountains. Snow "
    "covered the trees, and thin smoke rose from small houses far below. A doctor read the "
    "newspaper while her daughter counted bridges. Near the last tunnel the driver suddenly "
    "heard music. Nobody could explain where it came from, but all the passengers began to "
    "dance.",
    "Bread needs only flour, water, salt and plenty of time. Mix them in a large bowl and "
    "cover it with a towel. After three hours the dough has become soft and round. Fold it "
    "twice, then let it rest again until evening. Heat the oven as much as you can. The "
    "kitchen will smell wonderful, and your friends will certainly want another slice.",
    "Birds travel thousands of miles between summer and winter. Some follow rivers, others "
    "look at the stars, and many feel the direction of north. A tiny swallow may cross the "
    "desert without drinking. Storms push the flock away from its path, yet most arrive "
    "safely. Scientists put light rings around their legs, and children in distant countries "
    "report when they land.",
    "My uncle opened a shop for bicycles behind the church. He repaired wheels, sold bells "
    "and told long stories about famous races. On rainy afternoons the students came inside "
    "and drank hot chocolate. Later somebody painted the walls yellow, and a cat moved into "
    "the window. When he finally retired, the whole street brought flowers, cakes and a brand "
    "new helmet.",
    "Our garden looked empty in March, so we planted beans, carrots and a row of sunflowers. "
    "Rain fell for eleven days. Then warm weather arrived, and green leaves appeared "
    "everywhere. A family of rabbits discovered the carrots first. We built a low fence from "
    "branches and string. By August the flowers were taller than the roof of the garage.",
)
"""Some twenty seconds each."""

PAIRS = tuple(map(" ".join, itertools.pairwise(STORIES)))
"""Long enough for many sounds of somebody who listens."""

SHORT = ("It is a quarter past four.", "That was a long time ago.", "All right, it is done now.")

HUMMED = " ".join(["One two three four five six seven."] * 12)
"""Said by the humming voice: a tone of 21 s, from clause to clause."""


def long_reply(seconds: float) -> str:
    """Stories for at least so many seconds of speech."""
    count = int(seconds / 12) + 1
    return " ".join(itertools.islice(itertools.cycle(STORIES), count))
