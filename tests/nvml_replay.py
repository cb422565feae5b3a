"""NVML as it is written down in tests/data/nvml, in the place of pynvml."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pynvml

DATA = Path(__file__).parent / "data" / "nvml"


class Replay:
    """Gives each question the next of its answers; the last one stays. asked: so far; closed: nothing more is asked."""

    def __init__(self, name: str) -> None:
        told = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["answers"]
        self._left = {question: answer if isinstance(answer, list) else [answer] for question, answer in told.items()}
        self.asked: list[str] = []
        self.closed = threading.Event()

    def __getattr__(self, function: str) -> Callable[..., object]:
        return lambda *arguments: self._answer(function, *arguments[1:])  # the first is the handle

    def _answer(self, function: str, *arguments: object) -> object:
        question = f"{function}({', '.join(map(str, arguments))})" if arguments else function
        self.asked.append(question)
        if question == "nvmlShutdown":
            self.closed.set()
        left = self._left.get(question, [None])
        answer = left.pop(0) if len(left) > 1 else left[0]
        if not isinstance(answer, Mapping):
            return answer
        if "error" in answer:
            raise pynvml.NVMLError(answer["error"])
        return SimpleNamespace(**answer)
