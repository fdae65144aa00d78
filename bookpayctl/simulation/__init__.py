"""A simulation of the payment protocol: the runtime's own decisions among models of what fails.

The one room of bookpayctl that imports `runtime.domain`, because its decisions are what is tried.
What judges the end of a simulated run is the judge's, or written here without the domain.
"""
