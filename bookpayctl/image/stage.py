"""`python -m bookpayctl.image.stage FOLDER`: what the Containerfile copies into its last stage.

It runs in the first stage, in a container of the base, so that base and platform are this
machine's own. The layers are those of an archive; here they are unpacked, one over the other.
"""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
import tempfile
from pathlib import Path

from bookpayctl.image.description import ImageOrigin
from bookpayctl.image.errors import ImageError
from bookpayctl.image.inventory import Inventory
from bookpayctl.image.jars import kafka_jars
from bookpayctl.image.ours import this_source
from bookpayctl.image.platforms import platform_here
from bookpayctl.image.programs import run_program
from bookpayctl.image.recipe import Recipe, compiler_told, jars_layer, our_layer, wheels_layer
from bookpayctl.image.store import opened_store


def here() -> Inventory:
    """What the base holds, when this is a container of it. Its pip is removed by who copies."""
    return Inventory(
        files=frozenset(),
        folders=frozenset(),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        library=sysconfig.get_path("stdlib").lstrip("/"),
        glibc_minor=int(platform.libc_ver()[1].split(".")[1]),
        passwd=Path("/etc/passwd").read_text(),
        group=Path("/etc/group").read_text(),
        installers=(),
    )


def stage(folder: Path, recipe: Recipe, base_name: str) -> None:
    """Unpack wheels, jars and ours below `folder`.

    Raises:
        ImageError: what is needed is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    inside, machine = here(), platform_here()
    compiler = compiler_told(inside.python, _tell)
    with tempfile.TemporaryDirectory() as scratch, opened_store(Path(scratch)) as store:
        layers = [wheels_layer(store, recipe, inside, machine, compiler, _tell)]
        if recipe.jars is not None:
            layers.append(jars_layer(store, recipe.jars, _tell))
        ours, _ = our_layer(recipe, inside, base_name, layers, compiler, Path(scratch) / "ours.tar")
        for one in (*layers, ours):
            command = ["tar", "-C", str(folder), "--numeric-owner", "-xpf", str(one.layer.path)]
            ran = run_program(command, seconds_max=600)
            if ran.code != 0:
                raise ImageError(f"tar could not unpack {one.what}: {' '.join(ran.last_words)}")


def _tell(part: str, text: str) -> None:
    sys.stderr.write(f"{part:<8} {text}\n")


def main() -> None:
    """The folder is the one argument; BASE and REVISION are the variables of the build."""
    source = this_source()
    origin = ImageOrigin(source.version, os.environ.get("REVISION", ""))
    jars = kafka_jars(lambda done, of: _tell("jars", f"{done}/{of}"))
    recipe = Recipe(source, source.lock, origin, jars)
    stage(Path(sys.argv[1]), recipe, os.environ.get("BASE", ""))


if __name__ == "__main__":
    main()
