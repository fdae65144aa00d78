"""A listening socket on a free port of this machine, each of whose connections has a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from typing import Final, final

HOST: Final = "127.0.0.1"


class Listener(ABC):
    """It listens from the beginning; what is asked of a connection is asked in `serve`.

    Args:
        name: of its thread, before the port.
    """

    def __init__(self, name: str) -> None:
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name=f"{name} {self.port}", daemon=True).start()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @final
    def close(self) -> None:
        # Shut down first: closing alone does not wake the thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @abstractmethod
    def serve(self, conn: socket.socket) -> None:
        """Carry one connection to its end; it is this method's to close."""

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                # Closed: the process, or the command, is at its end.
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()
