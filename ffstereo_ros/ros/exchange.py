"""Other matchers for a pipeline, built while the one in use serves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ffstereo_ros.core.matcher import StereoMatcher
from ffstereo_ros.errors import PairTooLargeError
from ffstereo_ros.factory import MatcherSettings, ReadyMatcher
from ffstereo_ros.ros.port import Port
from ffstereo_ros.ros.worker import Worker


class MatcherExchange:
    """Builds what other parameters ask for, and what serves pairs larger than every engine.

    Public methods are for the executor's thread; the rest is the builder's, which begins with the first wish.

    Args:
        first: the matcher in use, built from ``settings``.
        hand_over: gives the inference thread another matcher; false once that thread takes none.
    """

    def __init__(
        self,
        port: Port,
        first: ReadyMatcher,
        settings: MatcherSettings,
        hand_over: Callable[[StereoMatcher], bool],
    ) -> None:
        self._port = port
        self._hand_over = hand_over
        self._ready = first
        self._served = self._wish = settings
        self._builder: Worker[MatcherSettings] | None = None

    def ask(self, wish: MatcherSettings) -> None:
        """Builds what these settings ask for, unless it is on its way."""
        if wish != self._wish:
            self._wish = wish
            self._thread().submit(wish)

    def outgrown(self, matcher: StereoMatcher, reason: PairTooLargeError) -> None:
        """A pair was larger than the engines of ``matcher``: builds what may take over, if that is still in use."""
        self._thread().call(lambda: self._replace_engines(matcher, reason))

    def stop(self) -> None:
        """Begins nothing more."""
        if self._builder is not None:
            self._builder.stop(0.0)

    def _thread(self) -> Worker[MatcherSettings]:
        if self._builder is None:
            self._builder = Worker(self._build, lambda _: None, name="build")
        return self._builder

    def _build(self, wish: MatcherSettings) -> None:
        served = self._served
        if wish == served:
            return
        try:
            ready = self._rescaled(wish.scale) if replace(served, scale=wish.scale) == wish else self._port.create(wish)
        except Exception as error:
            reason = error
            self._port.calls.post(lambda: self._refuse(wish, served, reason))
            return
        self._take(ready, wish)

    def _rescaled(self, scale: float) -> ReadyMatcher:
        matcher = StereoMatcher(self._ready.matcher.backend, scale=scale)
        larger = self._ready.for_larger and replace(self._ready.for_larger, scale=scale)
        return ReadyMatcher(matcher, f"scale {matcher.scale:g}: {matcher.backend.describe()}", for_larger=larger)

    def _replace_engines(self, matcher: StereoMatcher, reason: PairTooLargeError) -> None:
        larger = self._ready.for_larger
        if larger is None or matcher is not self._ready.matcher:
            return
        try:
            ready = self._port.create(larger)
        except Exception as error:
            self._ready = replace(self._ready, for_larger=None)  # asked once, not for each frame
            self._port.log.error(f"backend {larger.backend} cannot take over from engines that are too small: {error}")
            return
        what = ready.matcher.describe()
        warnings = (f"FALLBACK to {larger.backend}: {reason}", *ready.warnings)
        self._take(ReadyMatcher(ready.matcher, f"backend {what} (the engines are too small)", warnings), larger)

    def _take(self, ready: ReadyMatcher, served: MatcherSettings) -> None:
        self._ready, self._served = ready, served
        if self._hand_over(ready.matcher):
            self._port.calls.post(lambda: self._port.exchanged(ready))
        else:
            ready.matcher.backend.close()

    def _refuse(self, wish: MatcherSettings, served: MatcherSettings, reason: Exception) -> None:
        if wish == self._wish:  # a newer wish is on its way otherwise
            self._wish = served
            self._port.refused(served, reason)
