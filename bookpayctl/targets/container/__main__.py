"""`python -m bookpayctl.targets.container COMMAND`: what a pod of our image runs.

No argument is a secret: those come in files. Whatever goes wrong is one line on stderr.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from bookpayctl.report.exit_code import ExitCode
from bookpayctl.targets.errors import TargetError

_PREPARE_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 25.0


def main(arguments: list[str]) -> int:
    """Do what the command line says; returns the exit status."""
    given = _parser().parse_args(arguments)
    # Process 1 is not ended by TERM unless it asks for it; what is under way is ended, too.
    signal.signal(signal.SIGTERM, _leave)
    try:
        return _run(given)
    except TargetError as error:
        sys.stderr.write(f"{given.command}: {error}\n")
        return int(error.code)
    except OSError as error:
        sys.stderr.write(f"{given.command}: {error}\n")
        return int(ExitCode.USAGE)


def _run(given: argparse.Namespace) -> int:
    # Each is imported when it is chosen: a probe runs every few seconds.
    match given.command:
        case "postgres":
            from bookpayctl.targets.container import database

            return database.run(given.data, given.port, given.password_file, _say)
        case "stop-postgres":
            from bookpayctl.targets.container import database

            stopped = database.stop(given.data, given.timeout)
            _say("stopped" if stopped else "no server runs on these data")
        case "kafka":
            from bookpayctl.targets.container import broker

            broker.run(given.data, given.port, given.controller_port, given.advertise, _say)
        case "mail-sink":
            from bookpayctl.targets.container import mail

            mail.run(given.data, given.port, _say)
        case "prepare":
            from bookpayctl.targets.container import prepare

            wanted = prepare.wanted(
                given.dsn_file, given.bootstrap_servers, given.orders_token_file
            )
            prepare.prepare(wanted, given.timeout, _say)
        case "proxy":
            from bookpayctl.targets.container import proxy

            host = given.host or proxy.EVERY_ADDRESS
            proxy.run([*given.forward, *given.kafka], given.control_port, _say, host=host)
        case "canary":
            _sing(given)
        case "onlooker":
            from bookpayctl.targets.container import onlooker

            return onlooker.run(given.wake_after, given.seconds, _say)
        case _:
            return _ready(given)
    return int(ExitCode.PASS)


def _sing(given: argparse.Namespace) -> None:
    from bookpayctl.targets.container import canary

    if given.dsn_file is not None or given.dsn is not None:
        canary.run(lambda: canary.DatabaseConnection(_dsn(given)), given.seconds, _say)
        return
    connection = canary.KafkaConnection if given.kafka else canary.HttpConnection
    host, _, port = (given.kafka or given.http).rpartition(":")
    canary.run(lambda: connection(host, int(port)), given.seconds, _say)


def _dsn(given: argparse.Namespace) -> str:
    from bookpayctl.targets.container.secret import read_secret

    return given.dsn or read_secret(given.dsn_file)


def _ready(given: argparse.Namespace) -> int:
    from bookpayctl.targets.container import readiness

    reason = readiness.reason_not_ready(given.server, given.port, given.password_file)
    if reason:
        sys.stderr.write(f"{given.server}: {reason.strip()}\n")
        return int(ExitCode.VIOLATED)
    return int(ExitCode.PASS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bookpayctl.targets.container", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, help_text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help_text, allow_abbrev=False)

    postgres = command("postgres", "run the database; TERM is a fast shutdown")
    _add_data(postgres)
    _add_port(postgres, 5432)
    postgres.add_argument("--password-file", type=Path, required=True, help="of role bookpay")

    stop = command("stop-postgres", "ask the database for a fast shutdown and wait for it")
    _add_data(stop)
    stop.add_argument("--timeout", type=float, default=_STOP_SECONDS, help="in seconds")

    kafka = command("kafka", "run one broker that is its own controller")
    _add_data(kafka)
    _add_port(kafka, 9092)
    kafka.add_argument("--controller-port", type=int, default=9093, help="on 127.0.0.1 alone")
    kafka.add_argument("--advertise", required=True, help="host:port that clients are sent to")

    mail = command("mail-sink", "keep every message that comes in a Maildir")
    _add_data(mail)
    _add_port(mail, 8025)

    prepare = command("prepare", "make schema, tenant, catalogue and topics where missing")
    prepare.add_argument("--dsn-file", type=Path, required=True, help="the database, as its owner")
    prepare.add_argument("--bootstrap-servers", help="without it no topics are made")
    prepare.add_argument("--orders-token-file", type=Path, required=True, help="of the tenant")
    prepare.add_argument("--timeout", type=float, default=_PREPARE_SECONDS, help="in seconds")

    _add_drills(command)

    ready = command("ready", "ask a server of this pod, once, whether it does its work")
    ready.add_argument("server", choices=["postgres", "kafka", "mail-sink"])
    ready.add_argument("--port", type=int, required=True)
    ready.add_argument("--password-file", type=Path, help="for postgres")
    return parser


def _add_drills(command: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """What drills bring into a pod."""
    proxy = command("proxy", "stand before a service, and let pass what comes, or harm it")
    proxy.add_argument("--forward", type=_forwarding, action="append", default=[])
    proxy.add_argument(
        "--kafka", type=_kafka_forwarding, action="append", default=[], help="to the only broker"
    )
    proxy.add_argument("--host", help="to listen on; default: every address")
    proxy.add_argument("--control-port", type=int, required=True, help="on 127.0.0.1 alone")

    canary = command("canary", "ask again and again, and say when and what was answered")
    asked = canary.add_mutually_exclusive_group(required=True)
    asked.add_argument("--http", metavar="HOST:PORT", help="its /healthz")
    asked.add_argument("--dsn-file", type=Path, help="a database")
    asked.add_argument("--dsn", help="a database; without a password")
    asked.add_argument("--kafka", metavar="HOST:PORT", help="a broker")
    canary.add_argument("--seconds", type=float, required=True)

    onlooker = command("onlooker", "say the state of this container's process, again and again")
    onlooker.add_argument("--wake-after", type=float, required=True, help="in seconds")
    onlooker.add_argument("--seconds", type=float, required=True)


def _forwarding(text: str, *, is_kafka: bool = False) -> object:
    from bookpayctl.targets.container.proxy import parse_forwarding

    try:
        return parse_forwarding(text, is_kafka=is_kafka)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _kafka_forwarding(text: str) -> object:
    return _forwarding(text, is_kafka=True)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder on a volume")


def _add_port(parser: argparse.ArgumentParser, port: int) -> None:
    parser.add_argument("--port", type=int, default=port, help=f"default: {port}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _leave(_number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
