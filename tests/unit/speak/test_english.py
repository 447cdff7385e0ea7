"""Numbers, units, dates and signs as English has them said."""

from __future__ import annotations

import re

import pytest

from voice.speak.english import rewritten
from voice.speak.placed import Placed


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$1", "1 dollar"),
        ("$1.01", "1 dollar and 1 cent"),
        ("US$5", "5 US dollars"),
        ("-$5", "-5 dollars"),
        ("$1,234.56", "1,234 dollars and 56 cents"),
        ("¥500", "500 yen"),
        ("£0.01", "1 penny"),
        ("€3.5", "3.5 euros"),
        ("$5-10 million", "5 to 10 million dollars"),
        ("$5–$10", "5 to 10 dollars"),
        ("$100/night", "100 dollars per night"),
        ("20€", "20 euros"),
        ("$", "$"),
        ("1 km", "1 kilometer"),
        ("1.5 km", "1.5 kilometers"),
        ("10-20 km", "10 to 20 kilometers"),
        ("a 5 km run", "a 5 kilometer run"),
        ("1 ft and 2 ft", "1 foot and 2 feet"),
        ("5 MB/s", "5 megabytes per second"),
        ("90 km/h, 5 m/s", "90 kilometers per hour, 5 meters per second"),
        ("24h", "24 hours"),
        ("20ºC", "20 degrees Celsius"),
        ("-1°C", "-1 degree Celsius"),
        ("MP3 m", "MP3 m"),
        ("5 more, 5 in", "5 more, 5 in"),
        ("5G and 4K", "5G and 4K"),
        ("12:00 and 12:30 p.m.", "12 o'clock and 12 30 p.m."),
        ("9:00am", "9am"),
        ("13:00", "13 hundred"),
        ("10:30:15", "10:30:15"),
        ("25:10", "25:10"),
        ("99:99", "99:99"),
        ("10:30-11:00", "10 30 to 11 o'clock"),
        ("2026-13-40", "2026-13-40"),
        ("2/29/24", "February 29, 2024"),
        ("5 Mar 2020", "5 March 2020"),
        ("May 5", "May 5"),
        ("in 1800", "in 18 hundred"),
        ("1800 people", "1800 people"),
        ("in 1605", "in 16 oh 5"),
        ("1605", "1605"),
        ("his 20s", "his twenties"),
        ("1/2 and 2/3 and 5/8", "one half and 2 thirds and 5 eighths"),
        ("9/11", "9 11"),
        ("1/2/3/4", "1/2/3/4"),
        ("2½", "2 and a half"),
        ("0 and 007", "0 and 007"),
        ("0123456", "0 1 2 3 4 5 6"),
        ("1000000", "1000000"),
        ("1-800-555-1234", "1, 8 0 0, 5 5 5, 1 2 3 4"),
        ("555-1234", "5 5 5, 1 2 3 4"),
        ("978-3-16-148410-0", "9 7 8, 3, 1 6, 1 4 8 4 1 0, 0"),
        ("PIN is 0042", "PIN is 0 0 4 2"),
        ("8.8.8.8", "8 dot 8 dot 8 dot 8"),
        ("v1.2", "v1.2"),
        ("F-16, B2B and COVID-19", "F-16, B2B and COVID-19"),
        ("2^10", "2 to the power of 10"),
        ("3x", "3 times"),
        ("#5 and #fun", "number 5 and hashtag fun"),
        ("Mon–Fri", "Monday to Friday"),
        ("Jan-Mar", "January to March"),
        ("a -> b => c", "a, b, c"),
        ("x <= 5", "x at most 5"),
        ("Elizabeth II, then Rocky IV", "Elizabeth the 2nd, then Rocky 4"),
        ("John and I", "John and I"),
        ("the best part I know", "the best part I know"),
        ("type II", "type 2"),
        ("Give IV fluids", "Give I V fluids"),
        ("P. Smith, p. 5, Ch. Brown", "P Smith, page 5, Ch Brown"),
        ("the Sun 5 billion years ago", "the Sun 5 billion years ago"),
        ("Mon, 5 Jan", "Monday, 5 January"),
        ("No 5 people", "No 5 people"),
        ("yes/no and red/blue", "yes or no and red or blue"),
        ("/usr/bin and a/b/c", "/usr/bin and a/b/c"),
        ("Hi :) there ;-)", "Hi  there "),
    ],
)
def test_what_is_written_is_said_so(written: str, said: str) -> None:
    assert rewritten(Placed.written(written, 0)).text == said


@pytest.mark.parametrize(
    "text", ["It is a fine day, I think.", "3.14 and 1,234 and 50%", "1st 22nd"]
)
def test_what_espeak_reads_well_stays(text: str) -> None:
    placed = Placed.written(text, 0)
    assert rewritten(placed) == placed


def test_what_replaces_an_amount_stands_for_all_of_it() -> None:
    said = rewritten(Placed.written("a $3.50 b", 0))
    cents = re.search("cents", said.text)
    assert cents
    assert said.ends[cents.end() - 1] == len("a $3.50")
    assert said.ends[cents.end() - 2] == len("a ")
