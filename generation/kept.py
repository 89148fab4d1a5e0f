"""The sampler that this process keeps: loading takes as long as many images."""

import gc
import sys
from collections.abc import Callable, Hashable
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from generation.engine.spec import Sampler

TURN = 60.0  # seconds that one generator may keep the process while others wait


class Kept:
    """One sampler at a time, and how long its generator has had the process to itself."""

    def __init__(self) -> None:
        self.generator: int | None = None  # its row's key
        self._key: Hashable = None
        self._sampler: Sampler | None = None
        self._since = self._turn = 0.0

    def has_its_turn(self) -> bool:
        """Whether work for the kept generator goes first; longer where loading takes long."""
        return self.generator is not None and monotonic() - self._since < self._turn

    def sampler(self, generator: int, key: Hashable, load: Callable[[], "Sampler"]) -> "Sampler":
        """The kept sampler if it has this key, else what ``load`` gives, kept from now on.

        The old one goes before the new one is loaded: a GPU seldom has room for both.
        """
        if self._sampler is None or key != self._key:
            self.release()
            began = monotonic()
            self._sampler = load()
            self._turn = max(TURN, 10 * (monotonic() - began))
            self.generator, self._key = generator, key
            self._since = monotonic()
        elif not self.has_its_turn():
            self._since = monotonic()  # another turn: nobody else waited, or it was chosen again
        return self._sampler

    def release(self) -> None:
        """Let the sampler and its memory go, for whoever needs the GPU next."""
        if self._sampler is None:
            return
        self.generator = self._key = self._sampler = None
        gc.collect()
        if (torch := sys.modules.get("torch")) and torch.cuda.is_available():
            torch.cuda.empty_cache()


kept = Kept()
