"""What a plugin must not touch while it is checked: the network, and the settings that the whole process shares."""

from __future__ import annotations

import hashlib
import random
import socket
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

_HERE = {"localhost", "127.0.0.1", "::1", "", None}
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


class NetworkRefusedError(OSError):
    """Raised in place of a connection, as where a machine has no network."""


@contextmanager
def no_network(package: str = "") -> Iterator[list[str]]:
    """Refuse every connection but to this machine; gives a list that fills with what was tried and from which line.

    ``package`` is the plugin's package, whose line is named where it is among the callers. Sockets that compiled code opens
    by itself are not seen.
    """
    tried: list[str] = []

    def refuse(host: object, port: object) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else str(host)
        tried.append(f"{name}{'' if port in (None, '', 0) else f':{port}'} from {_caller(package)}")
        raise NetworkRefusedError(f"no network during a check ({name})")

    def connecting(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple) and address[0] not in _HERE:
                refuse(address[0], address[1])
            return real(self, address)

        return connect

    def resolving(real: Callable[..., Any]) -> Callable[..., Any]:
        def getaddrinfo(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
            if host not in _HERE:
                refuse(host, port)
            return real(host, port, *rest, **options)

        return getaddrinfo

    with ExitStack() as stack:
        for name in ("connect", "connect_ex"):
            stack.enter_context(mock.patch.object(socket.socket, name, connecting(getattr(socket.socket, name))))
        stack.enter_context(mock.patch.object(socket, "getaddrinfo", resolving(socket.getaddrinfo)))
        yield tried


def _caller(package: str) -> str:
    """``medbench_mine/model.py line 31``: the innermost line of the plugin, else of anything that is no standard library."""
    frames = [
        frame
        for frame in traceback.extract_stack()
        if frame.filename != __file__
        and not (frame.filename.startswith(_STANDARD) and "-packages" not in frame.filename)
    ]
    names = {package, f"{package}.py"}
    own = [frame for frame in frames if package and names & set(Path(frame.filename).parts)]
    last = (own or frames)[-1]
    path = Path(last.filename)
    return f"{path.parent.name}/{path.name} line {last.lineno}"


class SharedState:
    """The settings of the process that a method must leave as they are, as they were when this was made."""

    def __init__(self) -> None:
        self._before = {name: _digest(get()) for name, (get, _) in _settings().items()}
        self._values = {name: get() for name, (get, _) in _settings().items()}

    def changed(self) -> list[str]:
        """The names of those that are no longer so; they are put back."""
        names = []
        for name, (get, put) in _settings().items():
            if _digest(get()) != self._before[name]:
                names.append(name)
                put(self._values[name])
        return names


def _settings() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """By name, how each is read and set."""
    import numpy as np
    import torch

    def set_cudnn(values: tuple[bool, bool]) -> None:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = values

    return {
        "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's random generator": (torch.get_rng_state, torch.set_rng_state),
        "numpy's random generator": (lambda: np.random.get_state(legacy=True), np.random.set_state),
        "Python's random generator": (random.getstate, random.setstate),
        "torch's deterministic algorithms": (
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
        "cuDNN's deterministic and benchmark flags": (
            lambda: (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
            set_cudnn,
        ),
        "torch's precision of matrix products": (
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
        "the working directory": (Path.cwd, _change_directory),
    }


def _change_directory(path: Path) -> None:
    import os

    os.chdir(path)


def _digest(value: Any) -> str:
    """Tells values apart; arrays and tensors by all they hold."""
    if isinstance(value, tuple):
        return "|".join(_digest(one) for one in value)
    if hasattr(value, "numpy"):
        value = value.numpy()
    if hasattr(value, "tobytes"):
        return hashlib.sha256(value.tobytes()).hexdigest()
    return repr(value)
