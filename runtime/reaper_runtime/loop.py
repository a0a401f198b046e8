"""A small event loop: epoll, timers and coroutines, in one thread.

asyncio would do, at three times the memory and start-up time of a whole shim. Coroutines are Python's own; the
only thing that they can await is a Future.
"""

import os
import select
import time
from collections import deque
from heapq import heappop, heappush
from itertools import count

from reaper_runtime.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from typing import Any

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
_LONGEST_POLL = 3600.0  # seconds: epoll_wait(2) takes no more than 24 days, and a client may ask for more


class Future:
    """A value that comes later. Set once; a second set is ignored, so that a timer and an event may race."""

    __slots__ = ("_error", "_value", "_waiting", "done")

    def __init__(self) -> None:
        self.done = False
        self._value: Any = None
        self._error: Exception | None = None
        self._waiting: list[Callable[[], None]] = []

    def set(self, value: "Any" = None) -> None:
        """Give the value and wake all who wait."""
        self._settle(value, None)

    def fail(self, error: Exception) -> None:
        """Let every waiter raise this error."""
        self._settle(None, error)

    def result(self) -> "Any":
        """The value, or the error raised. Only when done."""
        if self._error is not None:
            raise self._error
        return self._value

    def when_done(self, callback: "Callable[[], None]") -> None:
        """Call back once it is set; at once if it is set already."""
        if self.done:
            callback()
        else:
            self._waiting.append(callback)

    def __await__(self) -> "Generator[Future, None, Any]":
        if not self.done:
            yield self
        return self.result()

    def _settle(self, value: "Any", error: Exception | None) -> None:
        if self.done:
            return
        self.done, self._value, self._error = True, value, error
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()


class Timer:
    """A call at a later time; cancel() forgets it."""

    __slots__ = ("callback",)

    def __init__(self, callback: "Callable[[], None]") -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Do not call. Harmless after the call."""
        self.callback = None


class Loop:
    """Watches file descriptors and child processes, runs timers and coroutines, until stop()."""

    def __init__(self, on_error: "Callable[[Exception], None]") -> None:
        """on_error is told of an exception that no one awaits: a defect, to be logged, never fatal to others."""
        self._on_error = on_error
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = count()
        self._ready: deque[Callable[[], None]] = deque()
        self._signal_callbacks: dict[int, Callable[[], None]] = {}
        self._signal_pipe: tuple[int, ...] = ()
        self._running = False

    def watch(self, fd: int, events: int, callback: "Callable[[int], None]") -> None:
        """Call back with the epoll event mask whenever fd is ready. Replaces an earlier watch of this fd."""
        if fd in self._callbacks:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Stop watching; call it before the fd is closed. Harmless if it is not watched."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def readable(self, fd: int) -> Future:
        """A future that is set once fd can be read, or its other end is closed."""
        ready = Future()

        def once(_events: int) -> None:
            self.unwatch(fd)
            ready.set()

        self.watch(fd, READ, once)
        return ready

    def call_later(self, seconds: float, callback: "Callable[[], None]") -> Timer:
        """Call back after a time, by the monotonic clock."""
        timer = Timer(callback)
        heappush(self._timers, (time.monotonic() + seconds, next(self._order), timer))
        return timer

    def spawn(self, coroutine: "Coroutine[Future, None, Any]") -> Future:
        """Run a coroutine up to its first wait, and the rest as its futures are set; gives its result."""
        outcome = Future()

        def step() -> None:
            try:
                pending = coroutine.send(None)
            except StopIteration as stop:
                outcome.set(stop.value)
            except Exception as error:  # noqa: BLE001  # it belongs to whoever awaits the outcome
                outcome.fail(error)
            else:
                pending.when_done(lambda: self._ready.append(step))

        step()
        return outcome

    def spawn_detached(self, coroutine: "Coroutine[Future, None, Any]") -> None:
        """Run a coroutine whose result nobody waits for; its error goes to on_error."""
        outcome = self.spawn(coroutine)

        def check() -> None:
            try:
                outcome.result()
            except Exception as error:  # noqa: BLE001  # nobody else will report it
                self._on_error(error)

        outcome.when_done(check)

    def on_signal(self, number: int, callback: "Callable[[], None]") -> None:
        """Call back in the loop after this signal has arrived, once for one or many of them.

        The Python handler does nothing: its presence makes the interpreter write to the wake-up pipe.
        """
        if not self._signal_callbacks:
            receive, send = self._signal_pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(send, warn_on_full_buffer=False)
            self.watch(receive, READ, lambda _: self._read_signals(receive))
        self._signal_callbacks[number] = callback
        signal.signal(number, lambda *_: None)

    def run(self) -> None:
        """Serve until stop() is called."""
        self._running = True
        while self._running:
            self._run_ready()
            if not self._running:
                break
            polled = self._epoll.poll(self._until_next_timer())
            for fd, events, callback in [(fd, events, self._callbacks.get(fd)) for fd, events in polled]:
                # An earlier callback of this round may have dropped it, and the number may be another descriptor's now.
                if callback is not None and self._callbacks.get(fd) is callback:
                    self._guarded(lambda callback=callback, events=events: callback(events))  # type: ignore[misc]
                    self._run_ready()
            self._run_timers()

    def stop(self) -> None:
        """Leave run() after the current callback."""
        self._running = False

    def close(self) -> None:
        """Close its descriptors and give its signals back. The loop cannot be used afterwards."""
        for number in self._signal_callbacks:
            signal.signal(number, signal.SIG_DFL)
        if self._signal_pipe:
            signal.set_wakeup_fd(-1)
        for fd in self._signal_pipe:
            os.close(fd)
        self._epoll.close()

    def _guarded(self, callback: "Callable[[], None]") -> None:
        try:
            callback()
        except Exception as error:  # noqa: BLE001  # one bad connection must not end the others
            self._on_error(error)

    def _run_ready(self) -> None:
        while self._ready:
            self._guarded(self._ready.popleft())

    def _until_next_timer(self) -> float | None:
        if not self._timers:
            return None
        return min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_POLL)

    def _run_timers(self) -> None:
        now = time.monotonic()  # once: a timer set by a timer waits until descriptors have had their turn
        while self._timers and self._timers[0][0] <= now:
            callback = heappop(self._timers)[2].callback
            if callback is not None:
                self._guarded(callback)

    def _read_signals(self, fd: int) -> None:
        for number in set(os.read(fd, 4096)):
            callback = self._signal_callbacks.get(number)
            if callback is not None:
                callback()
