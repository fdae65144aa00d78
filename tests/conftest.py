"""What holds for all tests, and what is dear enough to be there once for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from xdist.remote import Producer

# Before anything of it is imported: what support asserts is explained as what a test asserts.
pytest.register_assert_rewrite("tests.support", "tests.crash_matrix")

from tests.support.cluster import (  # noqa: E402 - see above
    TestCluster,
    cluster_at_hand,
    environment_in_cluster,
)
from tests.support.command_line import CommandLine  # noqa: E402
from tests.support.workers import ByFile  # noqa: E402


class NamedAtOnce:
    """Names a failure when it happens: a whole run takes most of an hour."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """With the first line of its reason; the whole stands in the closing report."""
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = (crash.message if crash else report.longreprtext).strip().partition("\n")[0]
            self._terminal.ensure_newline()
            self._terminal.write_line(f"failed in {report.when}: {report.nodeid}: {said}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Where there is somebody to tell: workers of a run have no terminal."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        config.pluginmanager.register(NamedAtOnce(terminal))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Who runs which tests where several processes do."""
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who needs the whole stack in a cluster comes last: once it is up, it stays up.

    Before it are those that need the cluster for themselves, whatever their files are called.
    """
    items.sort(key=lambda item: "in_cluster" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCluster]:
    """A real cluster with the image in it; who asks for it is skipped where there is none."""
    with cluster_at_hand(tmp_path_factory.mktemp("image")) as found:
        yield found


@pytest.fixture(scope="module")
def cluster_variables(cluster: TestCluster) -> Iterator[TestCluster]:
    """The cluster, as what a test starts by itself finds it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.variables.items():
            patch.setenv(name, value)
        yield cluster


@pytest.fixture(scope="session")
def in_cluster(
    cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    """A whole stack in it, brought up and taken down by the command line."""
    with environment_in_cluster(cluster, tmp_path_factory.mktemp("kube") / "home") as command:
        yield command
