"""words.py: what exit codes mean, and what exceptions say."""

import aiohttp
import pytest

from reaper_operator.words import exit_sentence, in_words, joined, signal_of


@pytest.mark.parametrize(
    ("code", "name"), [(None, None), (0, None), (1, None), (128, None), (137, "SIGKILL"), (143, "SIGTERM"), (255, None)]
)
def test_signals(code: int | None, name: str | None) -> None:
    assert signal_of(code) == name


def test_sentences() -> None:
    assert exit_sentence(3) == "the process ended with exit code 3"
    assert exit_sentence(137) == "the process ended with exit code 137 (128+9: as a rule ended by SIGKILL)"
    assert joined("a", None, "", "b") == "a; b"
    assert joined(None) == ""


class Answered(Exception):
    """As Kopf has the API server's words: in one argument with all the rest, and by themselves."""

    message = "pods is forbidden"


def test_what_an_exception_of_a_library_says() -> None:
    assert in_words(Answered("pods is forbidden", {"kind": "Status"})) == "pods is forbidden"
    assert in_words(aiohttp.ServerDisconnectedError()) == "Server disconnected"
    assert in_words(TimeoutError()) == "TimeoutError"
