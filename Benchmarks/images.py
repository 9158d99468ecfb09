"""Makes images out of images."""

import os
import subprocess

from accounting import MIB, data_ranges

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
    """The same bytes, with the same holes, as so many images, cut at multiples of 4 MiB; fewer where
    the image has not so many of them."""
    directory.mkdir()
    byte_count = image.stat().st_size
    length = -(-byte_count // (count * EXTENT)) * EXTENT
    parts = []
    with open(image, "rb", buffering=0) as source:
        for start in range(0, byte_count, length):
            part = directory / f"part-{len(parts):02}.img"
            end = min(start + length, byte_count)
            with open(part, "wb", buffering=0) as target:
                target.truncate(end - start)
                for data in data_ranges(source, start, end):
                    copy(source, target, data, start)
            parts.append(part)
    return parts


def copy(source, target, data, origin):
    """Copies a range of one file to another, which begins at `origin` of the first."""
    for position in range(data.start, data.stop, EXTENT):
        count = min(EXTENT, data.stop - position)
        os.pwrite(target.fileno(), os.pread(source.fileno(), count, position), position - origin)
