"""Marks, code, tables, links and tool chatter in answers."""

from __future__ import annotations

import pytest

from voice.speak.chunker import Chunker
from voice.speak.options import SpeakOptions


def said(text: str, options: SpeakOptions | None = None) -> list[str]:
    """What is said, letter by letter, which may not differ from all at once."""
    chunker, at_once = Chunker(options), Chunker(options)
    clauses = [clause for letter in text for clause in chunker.receive(letter)]
    clauses += chunker.finish()
    assert clauses == at_once.receive(text) + at_once.finish()
    return [clause.text for clause in clauses]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**Bold** and *soft* and `code` __here__.", "Bold and soft and code here."),
        ("***Both*** and ~~gone~~ and _it_.", "Both and gone and it."),
        ("**Note:** it is *very* nice!", "Note: it is very nice!"),
        ("3 * 4 and 3*4 and snake_case", "3 times 4 and 3 times 4 and snake_case."),
        ("Escaped \\*stars\\* and `a * b`.", "Escaped stars and a times b."),
        ("Run ``a`b`` or `x_y`.", "Run a`b or x_y."),
        ("An open `tick, **bold and [link", "An open tick, bold and [link."),
        ("[the page](https://e.com/x.y) ![alt](a.png)", "the page alt."),
        ('See [it](https://e.com/a_(b) "A title") now.', "See it now."),
        ("[![image](a.png)](https://e.com) [a][b]", "image a."),
        ("True [1][2], as [Smith 2020](#s) says [^3].", "True, as Smith 2020 says."),
        ("Sure【4†source】.", "Sure."),
        ("[x]: https://e.com/y\nHello.", "Hello."),
        ("Look at <https://foo.com/bar> and <me@foo.com>.", "Look at foo.com and me@foo.com."),
        ("Look at https://www.foo.com/a?b=c, please.", "Look at foo.com, please."),
        ("(see https://foo.com/a_(b)).", "(see foo.com)."),
        ("Done 🎉👍🏽, at 20 °C ✅", "Done, at 20 degrees Celsius."),
        ("I love it ❤️.", "I love it."),
        ("Well... maybe", "Well, maybe."),
        ("a &amp; b&nbsp;c &lt; 5", "a & b c less than 5."),
        ("Hello <b>you</b> <span class='x'>all</span>.", "Hello you all."),
        ("List<String> and x < 5 and a<b.", "List<String> and x less than 5 and a<b."),
        (
            "Use the <script> element, and ``` too.\nGood.",
            "Use the <script> element, and too. Good.",
        ),
        ("Look <!-- hidden. text --> here.", "Look here."),
        ("Hello <|im_end|> you.", "Hello you."),
        ("The area is $\\pi r^2$, or $5.", "The area is pi r squared, or 5 dollars."),
        ("$$\\frac{a}{b} = c$$ is it.", "a over b equals c is it."),
        ("Now \\(x^2\\) and \\[ y = 2 \\] too.", "Now x squared and y equals 2 too."),
        ("It is \\boxed{42}.", "It is 42."),
        ("Set $HOME and $PATH first.", "Set $HOME and $PATH first."),
        ("...", ""),
        ("---\n🎉", ""),
    ],
)
def test_marks_are_left_out(written: str, spoken: str) -> None:
    assert " ".join(said(written)) == spoken


@pytest.mark.parametrize(
    ("written", "clauses"),
    [
        ("# Heading\ntext", ["Heading.", "text."]),
        ("Title\n=====\n\nMore\n-----\nText.", ["Title.", "More.", "Text."]),
        ("- one\n* two\n+ three\n1. four\n2) five", ["one", "two", "three", "1, four", "2, five."]),
        ("- [ ] to do\n- [x] done", ["to do.", "done."]),
        ("> quoted text\n> goes on", ["quoted text.", "goes on."]),
        ("To do that,\npress Enter\nand wait.", ["To do that,", "press Enter and wait."]),
        ("One\n\n---\n***\n___\nTwo", ["One.", "Two."]),
        ("<p>One</p><br/>Two<ul><li>Three</li></ul>", ["One.", "Two.", "Three."]),
        (
            "| Name | Age |\n|:--|--:|\n| Bob | 5 |\n| Al | |",
            ["Name, Age.", "Bob, 5.", "Al,"],
        ),
        ("Name | Age\n--- | ---\nBob | 5", ["Name, Age.", "Bob, 5."]),
    ],
)
def test_lines(written: str, clauses: list[str]) -> None:
    clauses = [clause if clause[-1] in ".,:" else f"{clause}." for clause in clauses]
    assert said(written) == clauses


@pytest.mark.parametrize(
    "hidden",
    [
        "```python\nprint('Hi. Oh')\n\nx = 1\n```\n",
        "~~~\nprint('Hi')\n~~~\n",
        "<think>\nLet me think. **So**.\n</think>\n",
        '<tool_call>{"name": "get_time", "arguments": {}}</tool_call>\n',
        '{"name": "get_weather", "arguments": {"city": "Par}is", "days": [1, 2]}}\n',
        '[{"type": "function", "x": "a \\" ]"}]\n',
        '```js title="a b"\nx\n```\n',
    ],
)
def test_code_and_tool_chatter_are_left_out(hidden: str) -> None:
    assert said(f"Here you are:\n\n{hidden}\nThat is all.") == ["Here you are:", "That is all."]
    if not hidden.startswith("~"):  # a fence only at the beginning of a line
        assert said(f"Here you are: {hidden}") == ["Here you are:"]


@pytest.mark.parametrize(
    "hidden", ["<function=get_time>{}</function>", "<script>alert('x')</script>"]
)
def test_elements_of_programs_are_left_out_at_the_beginning_of_a_line(hidden: str) -> None:
    assert said(f"{hidden} Hello.\n{hidden}\nBye.") == ["Hello.", "Bye."]


@pytest.mark.parametrize("begun", ["```\nx = 1\n", "<think> I. Am.", '{"name": "get', "<!-- a. b"])
def test_what_is_left_out_may_never_end(begun: str) -> None:
    assert said(f"So. {begun}") == ["So."]


def test_code_can_be_said() -> None:
    say = SpeakOptions(code="say")
    assert said("So:\n```py\nx = y\nz\n```\nDone.", say) == ["So:", "x = y z.", "Done."]


def test_tables_can_be_left_out() -> None:
    skip = SpeakOptions(tables="skip")
    assert said("So:\n\n| A | B |\n|---|---|\n| 1. | 2 |\nDone.", skip) == ["So:", "Done."]


@pytest.mark.parametrize(
    ("links", "spoken"),
    [("skip", "See now, or the docs."), ("site", "See a.org now, or the docs."),
     ("say", "See a.org/b?c=d now, or the docs.")],
)  # fmt: skip
def test_links(links: str, spoken: str) -> None:
    options = SpeakOptions(links=links)  # type: ignore[arg-type]
    text = "See https://www.a.org/b?c=d now, or [the docs](https://b.org)."
    assert " ".join(said(text, options)) == spoken


def test_emoji_can_be_said() -> None:
    say = SpeakOptions(emoji="say")
    assert said("Great 👍🏽 job.", say) == ["Great thumbs up sign job."]


def test_other_languages_are_not_read_as_english() -> None:
    german = SpeakOptions(voice="de_DE-thorsten-medium")
    text = "Das kostet $3.50, z.B. am 5. Mai um 10:30. **Gut** 🎉 [1]."
    expected = ["Das kostet $3.50,", "z.B. am 5. Mai um 10:30.", "Gut."]
    assert said(text, german) == expected


@pytest.mark.parametrize(
    ("voice", "language"),
    [("en_US-joe-medium", "en"), ("/a/de_DE-x-low.onnx", "de"), ("my-voice.onnx", "")],
)
def test_the_language_is_told_by_the_voice(voice: str, language: str) -> None:
    assert SpeakOptions(voice=voice).language == language
