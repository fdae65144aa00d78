"""The webhook client against a receiver that is scripted byte by byte."""

from __future__ import annotations

import asyncio

import pytest

from bookpayctl.stripe_twin.wire.client import NoWebhookAnswer, WebhookAnswer, WebhookClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TEAPOT = b"HTTP/1.1 418 Teapot\r\nContent-Length: 2\r\n\r\nno"
EVENT = b'{"id": "evt_1"}'
# Well within a deadline of 0.3 s, so that each single read is in time.
DRIP_SECONDS = 0.05


async def answer_each(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: list[bytes]
) -> None:
    """One answer per request, then a byte at a time, as long as the client is there."""
    try:
        while answers:
            await reader.readuntil(EVENT)
            writer.write(answers.pop(0))
        while True:
            try:
                await asyncio.wait_for(reader.readexactly(1), DRIP_SECONDS)
            except TimeoutError:
                writer.write(b"x")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def posts(*answers: bytes, count: int = 1, timeout_seconds: float = 5.0) -> list[object]:
    """What so many posts over one client came to, each to the answer of the same place."""

    async def run() -> list[object]:
        left = list(answers)
        handlers: list[asyncio.Task[None]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            loop = asyncio.get_running_loop()
            handlers.append(loop.create_task(answer_each(reader, writer, left)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        client = WebhookClient()
        seen: list[object] = [
            await client.post(url, [], EVENT, timeout_seconds=timeout_seconds) for _ in range(count)
        ]
        client.close()
        server.close()
        await asyncio.gather(*handlers)
        return seen

    return asyncio.run(run())


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_response_is_not_the_answer(interim: bytes) -> None:
    hints = b"HTTP/1.1 " + interim + b"\r\nLink: </x>\r\n\r\n"

    seen = posts(hints + hints + OK, OK, count=2)

    assert seen == [WebhookAnswer(200, "ok"), WebhookAnswer(200, "ok")]


def test_an_upgrade_that_nobody_asked_for_is_no_answer() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"

    (seen,) = posts(upgrade)

    assert isinstance(seen, NoWebhookAnswer)
    assert seen.reason.startswith("not HTTP")


def test_an_answer_behind_the_answer_is_never_given_to_the_next_post() -> None:
    seen = posts(OK + TEAPOT, OK, count=2)

    assert seen == [WebhookAnswer(200, "ok"), WebhookAnswer(200, "ok")]


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_no_answer(answer: bytes) -> None:
    (seen,) = posts(answer)

    assert isinstance(seen, NoWebhookAnswer)
    assert seen.reason.startswith("not HTTP")


def test_the_deadline_bounds_the_whole_answer_and_not_each_read() -> None:
    (seen,) = posts(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", timeout_seconds=0.3)

    assert seen == NoWebhookAnswer("no answer within 0.3 s")
