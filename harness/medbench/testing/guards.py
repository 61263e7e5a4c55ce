"""What a plugin must not touch while it is checked: the network, and the settings that the whole process shares."""

from __future__ import annotations

import functools
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

from medbench.testing.contract import Check, Finding

_HERE = frozenset({"localhost", "::1", "::", "0.0.0.0", "", "<broadcast>", "None"})
_RESOLVERS = ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr")
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


class NetworkRefusedError(OSError):
    """Raised in place of a connection, as where a machine has no network."""


@contextmanager
def no_network(package: str = "") -> Iterator[list[str]]:
    """Refuse every connection but to this machine; gives a list that fills with what was tried and from which line.

    ``package`` is the plugin's package, whose line is named where it is among the callers. Sockets that compiled code opens
    by itself, and other processes, are not seen.
    """
    tried: list[str] = []
    here = _HERE | {socket.gethostname()} | _own_addresses()

    def check(host: object, port: object = None) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes | bytearray) else str(host)
        if name in here or name.startswith("127."):
            return
        tried.append(f"{name}{'' if port in (None, '', 0) else f':{port}'} from {_caller(package)}")
        raise NetworkRefusedError(f"no network during a check ({name})")

    def connecting(real: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple):
                check(*address[:2])
            return real(self, address)

        return connect

    def sending(real: Callable[..., Any]) -> Callable[..., Any]:
        def sendto(self: socket.socket, data: Any, *rest: Any) -> Any:
            if rest and isinstance(rest[-1], tuple):
                check(*rest[-1][:2])
            return real(self, data, *rest)

        return sendto

    def resolving(real: Callable[..., Any]) -> Callable[..., Any]:
        def resolve(host: Any, *rest: Any, **options: Any) -> Any:
            check(host, rest[0] if rest else options.get("port"))
            return real(host, *rest, **options)

        return resolve

    with ExitStack() as stack:
        for name in ("connect", "connect_ex"):
            stack.enter_context(mock.patch.object(socket.socket, name, connecting(getattr(socket.socket, name))))
        stack.enter_context(mock.patch.object(socket.socket, "sendto", sending(socket.socket.sendto)))
        for name in _RESOLVERS:
            stack.enter_context(mock.patch.object(socket, name, resolving(getattr(socket, name))))
        yield tried


@functools.cache
def _own_addresses() -> frozenset[str]:
    """The addresses that this machine's own name stands for."""
    try:
        return frozenset(socket.gethostbyname_ex(socket.gethostname())[2])
    except OSError:  # a name that nothing resolves
        return frozenset()


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
    """The settings of the process that a plugin must leave as they are, as they were when this was made."""

    def __init__(self) -> None:
        self._settings = _settings()
        self._values = {name: get() for name, (get, _) in self._settings.items()}
        self._before = {name: _digest(value) for name, value in self._values.items()}

    def changed(self) -> list[str]:
        """The names of those that are no longer so; they are put back."""
        names = []
        for name, (get, put) in self._settings.items():
            if _digest(get()) != self._before[name]:
                names.append(name)
                put(self._values[name])
        return names


def check_state(where: str, shared: SharedState, what: str, *, seeds: bool = False) -> Check:
    """Nothing of the process's settings was changed by ``what``; where it ``seeds``, generators may be, and are put back."""
    for name in shared.changed():
        if seeds and name.endswith("generator"):
            continue
        mend = "draw inside torch.random.fork_rng(devices=[]), or from a generator of your own"
        yield Finding(
            where,
            f"{what} changed {name}, which the whole process shares",
            mend if "generator" in name else "put it back",
        )


def check_network(where: str, tried: list[str], mend: str) -> Check:
    """Nothing was asked of the network."""
    for line in dict.fromkeys(tried):
        yield Finding(where, f"it asked the network for {line}", mend)


def _settings() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """By name, how each is read and set."""
    import numpy as np
    import sklearn.model_selection  # noqa: F401 - its import draws from Python's generator, whoever does it
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
