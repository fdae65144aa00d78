"""Somebody who says back what is said, behind the gate of a drill's proxy."""

from __future__ import annotations

import socket
import threading

from bookpayctl.targets.container.passage import Gate, serve

HOST = "127.0.0.1"


class Shop:
    """Somebody who says back what is said, behind a gate."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()
        self.backend = socket.create_server((HOST, 0))
        self.listener = socket.create_server((HOST, 0))
        address = self.backend.getsockname()
        threading.Thread(target=self._echo, daemon=True).start()
        threading.Thread(
            target=serve,
            args=(self.gate, self.listener, lambda: socket.create_connection(address, timeout=10)),
            daemon=True,
        ).start()

    def visit(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=10)

    def close(self) -> None:
        for listener in (self.listener, self.backend):
            listener.close()

    def _echo(self) -> None:
        while True:
            try:
                conn, _ = self.backend.accept()
            except OSError:
                return
            threading.Thread(target=self._say_back, args=(conn,), daemon=True).start()

    @staticmethod
    def _say_back(conn: socket.socket) -> None:
        with conn:
            try:
                while data := conn.recv(4096):
                    conn.sendall(data)
            except OSError:
                return


def says(conn: socket.socket, text: bytes) -> bytes:
    conn.sendall(text)
    return conn.recv(4096)


def is_silent(conn: socket.socket) -> bool:
    """Whether nothing has come, neither a byte nor an end."""
    conn.setblocking(False)
    try:
        conn.recv(4096, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        conn.settimeout(10)
    return False
