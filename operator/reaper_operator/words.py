"""Sentences that are said in several places. Pure."""

import signal


def signal_of(exit_code: int | None) -> str | None:
    """The name of the signal that an exit code stands for: 128 plus its number."""
    try:
        return signal.Signals((exit_code or 0) - 128).name
    except ValueError:
        return None


def exit_sentence(exit_code: int) -> str:
    """How a process ended."""
    text = f"the process ended with exit code {exit_code}"
    name = signal_of(exit_code)
    return f"{text} (128+{exit_code - 128}: as a rule ended by {name})" if name else text


def joined(*texts: str | None) -> str:
    """Those of the sentences that there are, as one."""
    return "; ".join(text for text in texts if text)


def in_words(error: BaseException) -> str:
    """What an exception of a library says: the API server's own message, where it carries one."""
    return str(getattr(error, "message", None) or "") or str(error) or type(error).__name__
