"""A drill whose fault is one link of the stack that is harmed for a while."""

from __future__ import annotations

from bookpayctl.drill.scenario import DrillContext, Scenario
from bookpayctl.faults.link import SickLink
from bookpayctl.targets.link import Link
from bookpayctl.targets.toxic import Toxic


def sick_link(context: DrillContext, link: Link, toxic: Toxic, *, part: str = "") -> SickLink:
    """The link with its toxic, for this drill's run.

    Args:
        part: see `SickLink`.
    """
    return SickLink(
        context.links,
        context.run,
        prefix=context.slug,
        link=link,
        toxic=toxic,
        observe=context.observe,
        part=part,
    )


class SickLinkScenario(Scenario):
    """One link, one toxic; what followed is the drill's own to say."""

    def __init__(self, context: DrillContext, link: Link, toxic: Toxic) -> None:
        super().__init__(context)
        self.sick = sick_link(context, link, toxic)

    @property
    def faults(self) -> tuple[SickLink]:
        return (self.sick,)

    def prepare(self) -> None:
        """Lead the callers through the proxy before there are orders: that alone costs none."""
        self.sick.prepare()
