"""A signal for the process of a pod, from inside its container.

A container's first process ignores even SIGKILL from inside, so the pods share one process
namespace, in which another one is the first. The program below finds the process by what it is: the
oldest that no process of this namespace started, not the first one, and of the same user.
"""

from __future__ import annotations

from typing import Final

_PROGRAM: Final = """
import os, sys
me, mine = os.getpid(), os.getuid()
found = []
for name in os.listdir('/proc'):
    if not name.isdigit() or int(name) in (1, me):
        continue
    try:
        fields = open('/proc/%s/stat' % name).read().rpartition(')')[2].split()
        owner = os.stat('/proc/' + name).st_uid
    except OSError:
        continue
    if fields[1] == '0' and owner == mine and fields[0] != 'Z':
        found.append((int(fields[19]), int(name)))
if os.stat('/proc/1').st_uid == mine and open('/proc/1/comm').read().strip() != 'pause':
    sys.exit('the process is the first of its container, which no signal from inside reaches')
if not found:
    sys.exit('no process of this container runs')
pid = min(found)[1]
os.kill(pid, int(sys.argv[1]))
print(pid, open('/proc/%d/stat' % pid).read().rpartition(')')[2].split()[0])
"""


def command(number: int) -> list[str]:
    """What is run in the container; prints the pid and its state after the signal."""
    return ["python3", "-c", _PROGRAM, str(int(number))]
