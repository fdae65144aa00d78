"""This machine as a platform: a folder for each environment, and a lock beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bookpayctl.targets import settings
from bookpayctl.targets.environment import Environment, environment_root
from bookpayctl.targets.local import doctor, down
from bookpayctl.targets.local.options import check_paths, read_options
from bookpayctl.targets.local.target import LocalTarget
from bookpayctl.targets.local.up import bring_up
from bookpayctl.targets.lock import environment_lock, lock_file
from bookpayctl.targets.platform import Examination, UpStep, Watch
from bookpayctl.targets.settings import Value
from bookpayctl.targets.target import Target


class LocalPlatform:
    """See `Platform`."""

    def bring_up(
        self, values: Mapping[str, Value], environ: Mapping[str, str], watch: Watch
    ) -> Environment:
        options = read_options(values, environ)
        root = environment_root(options.name)
        check_paths(root, own_broker=options.kafka_bootstrap_servers is None)
        with environment_lock(
            lock_file(options.name),
            "up",
            timeout_seconds=options.timeout_seconds,
            waiting=watch.waiting,
        ):
            return bring_up(options, root, watch.step)

    def take_down(
        self, name: str, *, timeout_seconds: float, purge: bool, watch: Watch
    ) -> list[str]:
        root = environment_root(name)
        with environment_lock(
            lock_file(name), "down", timeout_seconds=timeout_seconds, waiting=watch.waiting
        ):
            stopped = down.stop(
                root,
                timeout_seconds=timeout_seconds,
                tell=lambda text: watch.step(UpStep("down", text)),
            )
            if purge:
                down.purge(root, name)
        return stopped

    def examine(self, values: Mapping[str, Value]) -> list[Examination]:
        webhook_port = settings.whole(values, "webhook_port", least=1, most=65_535)
        root = environment_root(settings.environment_name(values))
        return doctor.examine(
            root, webhook_port=webhook_port, options=lambda: read_options(values, os.environ)
        )

    def reach(self, environment: Environment) -> Environment:
        return environment

    def open(self, environment: Environment) -> Target:
        return LocalTarget(environment)
