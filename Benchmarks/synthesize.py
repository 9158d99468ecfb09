#!/usr/bin/env python3
"""Makes disk images of which it is known what they hold, the same for the same seed.

    synthesize.py DIR [--images 3] [--mib 256] [--seed 1] [--hole 15] [--zero 10]
                      [--duplicate 20] [--compressible 60] [--churn 3]

DIR/synthetic-1.img …  the images, raw and sparse
DIR/day2/…             the same a day later: --churn percent of the data are other now
DIR/shares.json        what each image holds, in bytes, counted while it was made

An image is a row of pieces on 4 KiB boundaries, as files are in a file system. --hole percent of
its bytes are never written; --zero percent are zeros that are; of the data, --duplicate percent are
pieces that stand somewhere before, in this image or another, and of what is left --compressible
percent are such that LZ4 leaves about a third, and the others noise. A quarter of the churn is
deleted (a hole, as fstrim makes them), the rest is new content.
"""

import argparse
import json
import os
import random
from array import array
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
MIB = 1 << 20
EXTENT = 4 * MIB
VOCABULARY = random.Random("vocabulary").randbytes(16384 + 64)


@dataclass
class Piece:
    """A part of an image. The content of data follows from `kind`, `seed` and `length`."""

    kind: str  # hole, zero, noise or text
    length: int
    seed: int = 0
    is_duplicate: bool = False

    @property
    def is_data(self):
        return self.kind in ("noise", "text")

    def content(self):
        if self.kind == "zero":
            return bytes(self.length)
        source = random.Random(self.seed)
        return source.randbytes(self.length) if self.kind == "noise" else text(source, self.length)


def text(source, length):
    """Compressible bytes: 40 out of a small vocabulary behind each 8 of noise."""
    count = length // 48 + 1
    noise = source.randbytes(8 * count)
    places = array("H", source.randbytes(2 * count))
    parts = []
    for number in range(count):
        place = places[number] & 0x3FF8
        parts.append(noise[8 * number : 8 * number + 8])
        parts.append(VOCABULARY[place : place + 40])
    return b"".join(parts)[:length]


class Synthesizer:
    """Makes images one after the other; duplicates are drawn from all that was made before."""

    def __init__(self, options):
        self.options = options
        self.random = random.Random(f"pieces {options.seed}")
        self.pool = []
        self.next_seed = options.seed << 32

    def unique(self, length):
        """A piece of new data."""
        self.next_seed += 1
        percent = 100 * self.random.random()
        kind = "text" if percent < self.options.compressible else "noise"
        return Piece(kind, length, self.next_seed)

    def length(self, least, most):
        """A multiple of 4 KiB; small ones are as frequent as large ones, as with files."""
        ratio = most / least
        return int(least * ratio ** self.random.random()) // BLOCK * BLOCK

    def image(self, byte_count):
        """The pieces of a new image."""
        options = self.options
        goals = {"hole": options.hole / 100 * byte_count, "zero": options.zero / 100 * byte_count}
        goals["duplicate"] = (byte_count - sum(goals.values())) * options.duplicate / 100
        goals["unique"] = byte_count - sum(goals.values())
        done = dict.fromkeys(goals, 0)
        pieces, left = [], byte_count
        while left > 0:
            # Whichever is furthest behind its share: each stretch of the image has all kinds.
            kind = min(
                (k for k in goals if goals[k] > 0), key=lambda k: done[k] / goals[k]
            )
            if kind == "duplicate" and not self.pool:
                kind = "unique"
            if kind == "duplicate":
                found = self.random.choice(self.pool)
                piece = Piece(found.kind, found.length, found.seed, True)
            elif kind == "unique":
                piece = self.unique(self.length(BLOCK, 4 * MIB))
            else:
                piece = Piece(kind, self.length(16 * BLOCK, 4 * MIB))
            if piece.length > left:
                kind, piece = "unique", self.unique(left)
            pieces.append(piece)
            done[kind] += piece.length
            left -= piece.length
            if kind == "unique" and piece.length >= 256 * 1024:
                self.pool.append(piece)
        return pieces

    def later(self, pieces):
        """The pieces a day later."""
        goal = self.options.churn / 100 * sum(p.length for p in pieces if p.is_data)
        later, changed = list(pieces), 0
        order = [n for n, p in enumerate(pieces) if p.is_data and p.length <= MIB]
        self.random.shuffle(order)
        for turn, number in enumerate(order):
            if changed >= goal:
                break
            length = pieces[number].length
            later[number] = Piece("hole", length) if turn % 4 == 3 else self.unique(length)
            changed += length
        return later, changed


def write(pieces, path):
    """Writes an image; nothing is written where it has holes."""
    with open(path, "wb") as file:
        for piece in pieces:
            if piece.kind == "hole":
                file.seek(piece.length, os.SEEK_CUR)
            else:
                file.write(piece.content())
        file.truncate()


def shares(pieces, changed=0):
    """What an image holds, in bytes."""

    def total(wanted):
        return sum(piece.length for piece in pieces if wanted(piece))

    return {
        "size_bytes": total(lambda p: True),
        "hole_bytes": total(lambda p: p.kind == "hole"),
        "zero_bytes": total(lambda p: p.kind == "zero"),
        "duplicate_bytes": total(lambda p: p.is_duplicate),
        "unique_compressible_bytes": total(lambda p: p.kind == "text" and not p.is_duplicate),
        "unique_noise_bytes": total(lambda p: p.kind == "noise" and not p.is_duplicate),
        "changed_bytes": changed,
    }


def synthesize(directory, options):
    """Makes all images; returns their paths, those of the second day, and the shares."""
    (directory / "day2").mkdir(parents=True, exist_ok=True)
    maker = Synthesizer(options)
    images, second_day, document = [], [], {"options": vars(options), "images": {}, "day2": {}}
    for number in range(1, options.images + 1):
        image = directory / f"synthetic-{number}.img"
        pieces = maker.image(options.mib * MIB)
        write(pieces, image)
        later, changed = maker.later(pieces)
        write(later, directory / "day2" / image.name)
        document["images"][image.name] = shares(pieces)
        document["day2"][image.name] = shares(later, changed)
        images.append(image)
        second_day.append(directory / "day2" / image.name)
    (directory / "shares.json").write_text(json.dumps(document, indent=2, default=str) + "\n")
    return images, second_day, document


def parse_arguments(arguments=None):
    """The options; percents that can't be are refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument("--images", metavar="N", type=int, default=3)
    parser.add_argument("--mib", metavar="N", type=int, default=256, help="size of each image")
    parser.add_argument("--seed", metavar="N", type=int, default=1)
    for name, default in (
        ("hole", 15), ("zero", 10), ("duplicate", 20), ("compressible", 60), ("churn", 3)
    ):  # fmt: skip
        parser.add_argument(f"--{name}", metavar="PERCENT", type=float, default=default)
    options = parser.parse_args(arguments)
    if options.hole + options.zero > 95 or options.images < 1 or options.mib < 1:
        parser.error("at least one image, of a MiB or more, with 5 percent of data")
    return options


if __name__ == "__main__":
    chosen = parse_arguments()
    synthesize(chosen.directory, chosen)
