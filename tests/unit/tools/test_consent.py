from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice.tools.consent import Consent, consent_of

YES = """
Yes. | Yes! | yes | Yeah. | Yeah, go ahead. | Yep. | Yup, do it. | Sure. | Sure, do it. | Okay.
OK. | O.K. | Okay, okay. | Um, okay. | Uh... yes. | Hmm, yes, please. | Yes please. | Yes, please.
Please do. | Do it. | Do that. | Yes, do that, please. | Go ahead. | Go for it. | All right.
Alright, do it. | Of course. | Absolutely. | Definitely. | Yes, I'm sure. | I am sure. | Correct.
Yes, that’s right. | Exactly. | Yes, of course, thank you. | Oh yes. | No problem, do it. | Proceed.
Sure, why not? | Yes, you can do that. | Yes, both of them. | Yes, right away. | Sounds good.
Yes, now. | Great, go ahead. | Confirmed. | Fine, do it. | YES | Yes, yes, yes. | Yes, I do.
By all means. | "Yes."
"""

NO = """
No. | No! | No, don't. | No, don’t do it. | Nope. | Nah. | No, thanks. | No, thank you. | Don't.
Do not do that. | Please don't. | Never mind. | Oh, never mind. | Not now. | No, not now. | Not yet.
I don't think so. | No, I don't think so. | Stop. | Stop it. | Cancel that. | Cancel. | Forget it.
No, forget it. | Leave it. | No way. | Absolutely not. | Of course not. | Maybe later. | Um, no.
I'd rather not. | Better not. | Thanks, but no thanks. | No, no, no. | No need. | No, please don't.
No, stop. | Negative. | I don't want that.
"""

OTHER = """
 | . | Yes? | Okay? | No? | Sure? | Yes... | Yes, but make it five minutes. | Yes, but | Yes—
No, make it five minutes. | Yes I know. | Yes, I know that. | Wait. | Hold on. | Wait, yes.
Yes, no. | No, yes. | Yeah, no. | No, wait, do it. | No, do it. | No, go ahead. | Okay, stop.
Don't stop. | Please don't stop. | Don't cancel it. | Don't forget it.
Not sure. | I'm not sure. | Maybe. | I guess so. | Probably. | I suppose. | What?
What did you say? | Which timer? | Are you sure? | You sure? | Thank you.
Thanks for watching! | Mm-hm. | Mm-hmm. | Uh-huh. | Uh-uh. | Hmm. | Um. | That's fine. | I'm good.
It's okay. | Fine. | Right. | Good. | No problem. | No worries. | Please. | Why not? | If you want.
Up to you. | Yes, the first one. | Only the first. | Not that one. | Yes, tomorrow. | Later.
Yesterday. | Yes sir, that's my baby. | Okay, so what's the weather? | Is it done? | Nothing.
Yes, send it to Anna. | Do it tomorrow. | Do it twice. | Surely you know. | I said stop the music.
Yes, I don't. | Yes, never. | Do I have to? | Why? | Sure, if it rains. | Know. | Now.
Never mind, do it. | Yes and then turn on the light. | Go on. | Oh, okay.
He said yes. | Oké, nee. | はい。
"""


def utterances(table: str) -> list[str]:
    return [text.strip() for line in table.strip("\n").splitlines() for text in line.split(" | ")]


@pytest.mark.parametrize("text", utterances(YES))
def test_a_plain_yes(text: str) -> None:
    assert consent_of(text) is Consent.YES


@pytest.mark.parametrize("text", utterances(NO))
def test_a_plain_no(text: str) -> None:
    assert consent_of(text) is Consent.NO


@pytest.mark.parametrize("text", utterances(OTHER))
def test_whatever_is_not_plain_is_for_the_model(text: str) -> None:
    assert consent_of(text) is Consent.OTHER


def test_the_tables_are_large() -> None:
    assert sum(len(utterances(table)) for table in (YES, NO, OTHER)) >= 150


@pytest.mark.parametrize(
    ("language", "yes", "no", "other"),
    [
        (
            "de",
            "Ja. | Ja, bitte. | Klar, mach das. | Na klar! | Gerne. | Ja, natürlich, danke.",
            "Nein. | Nee. | Nein, danke. | Bitte nicht. | Mach das nicht. | Lass es. | Nö.",
            "Ja? | Ja, aber fünf Minuten. | Bitte. | Jaja. | Moment. | Jein. | Ja, morgen.",
        ),
        (
            "fr",
            "Oui. | Oui, s'il te plaît. | Vas-y. | D’accord. | Bien sûr. | Ouais, ok. | Fais-le.",
            "Non. | Non merci. | Pas maintenant. | Surtout pas. | Laisse tomber. | Arrête.",
            "Oui ? | Oui, mais demain. | Peut-être. | Merci. | Attends. | C'est bon. | Pas ça.",
        ),
        (
            "es-MX",
            "Sí. | Sí, por favor. | Claro que sí. | Vale. | Hazlo. | Adelante, gracias. | Si.",
            "No. | No, gracias. | Claro que no. | Ahora no. | Déjalo. | Olvídalo. | Mejor no.",
            "¿Sí? | Sí, pero mañana. | Quizás. | Espera. | Gracias. | No sé. | Está bien.",
        ),
        ("xx", "Okay.", "Nope.", "Tak."),
    ],
)
def test_other_languages(language: str, yes: str, no: str, other: str) -> None:
    for texts, consent in ((yes, Consent.YES), (no, Consent.NO), (other, Consent.OTHER)):
        found = {text: consent_of(text, language) for text in texts.split(" | ")}
        assert found == dict.fromkeys(found, consent)


@pytest.mark.parametrize(
    ("text", "consent"),
    [
        ("Yes, cancel the timers.", Consent.YES),
        ("Yeah, please cancel my timers.", Consent.YES),
        ("Yes, timers, cancel them, please.", Consent.YES),
        ("Cancel the timers.", Consent.OTHER),
        ("Shall I cancel the timers?", Consent.OTHER),
        ("No, cancel the timers.", Consent.OTHER),
        ("Don't cancel the timers.", Consent.OTHER),
        ("Yes, cancel.", Consent.OTHER),
        ("Yes, cancel the alarms.", Consent.OTHER),
        ("Cancel that.", Consent.OTHER),
        ("Stop.", Consent.NO),
        ("No.", Consent.NO),
    ],
)
def test_the_words_of_the_question_are_understood(text: str, consent: Consent) -> None:
    assert consent_of(text, asked="Shall I cancel the timers?") is consent


def test_a_part_of_what_was_asked_is_no_yes_to_all() -> None:
    asked = "Shall I delete notes, and send mail?"
    assert consent_of("Yes, send the mail.", asked=asked) is Consent.OTHER
    assert consent_of("Yes, delete the notes and send the mail.", asked=asked) is Consent.YES


@given(st.text(alphabet="bcdfgjkqvwxz ", min_size=1), st.sampled_from(utterances(YES)))
def test_a_yes_with_anything_more_is_no_yes(more: str, yes: str) -> None:
    if more.strip():
        assert consent_of(f"{yes} {more}") is Consent.OTHER
        assert consent_of(f"{more} {yes}") is Consent.OTHER
