"""A voice agent: sound in, streamed answers over one WebSocket, sound out."""

import os

__version__ = "0.1.0"

# The matrices here are small. OpenBLAS would wake a thread on every core for them, which waits
# by spinning: 0.1 to 0.2 of a core while somebody speaks. Read when numpy loads, so set first.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
