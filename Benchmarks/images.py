"""Makes images out of images."""

import os
import subprocess

from accounting import MIB

EXTENT = 4 * MIB


def copies_of(images, directory):
    """Copies of the images at other paths and with other file times."""
    directory.mkdir()
    copies = []
    for image in images:
        copy = directory / image.name
        subprocess.run(["cp", "--sparse=always", image, copy], check=True)
        os.utime(copy)
        copies.append(copy)
    return copies


def split(image, count, directory):
    """The same bytes as so many sparse images, cut at multiples of 4 MiB; fewer where the image has
    not so many of them."""
    directory.mkdir()
    byte_count = image.stat().st_size
    length = -(-byte_count // (count * EXTENT))
    parts = []
    for first in range(0, -(-byte_count // EXTENT), length):
        part = directory / f"part-{len(parts):02}.img"
        command = ["dd", f"if={image}", f"of={part}", f"bs={EXTENT}", "conv=sparse", "status=none"]
        subprocess.run([*command, f"skip={first}", f"count={length}"], check=True)
        # What was a hole at the end is one again.
        os.truncate(part, min(byte_count - first * EXTENT, length * EXTENT))
        parts.append(part)
    return parts
