"""What is measured, in which order."""

import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from accounting import (
    HarnessError,
    Usage,
    allocated_bytes,
    apparent_bytes,
    own_peak_bytes,
    same_content,
    settle,
)
from peers import PEERS


@dataclass
class Measurement:
    """One workload of one peer in one run. With an `error`, the other figures mean nothing."""

    run: int
    caches: str
    workload: str
    peer: str
    usage: Usage = field(default_factory=Usage)
    floor_bytes: int = 0
    sync_seconds: float = 0.0
    repository_bytes_before: int = 0
    repository_bytes_after: int = 0
    restored_bytes: int = 0
    restored_allocated_bytes: int = 0
    verified: bool | None = None
    summary: dict | None = None
    error: str | None = None

    @property
    def added_bytes(self):
        """What the workload added to the repository."""
        return self.repository_bytes_after - self.repository_bytes_before


@dataclass
class Plan:
    """What is measured: images for each backup, and how."""

    backups: dict
    names: list
    work: Path
    runs: int
    caches: list
    """`warm`, `cold` or both, one after the other in each run."""
    binaries: dict
    pieces: list
    """The images as one disk, and cut into sixteen: empty where that is not measured."""


def measure_all(plan, report):
    """Measures everything in `plan`; calls `report` with each measurement as it is made."""
    measurements = []
    for number in range(1, plan.runs + 1):
        for caches in plan.caches:
            directory = plan.work / f"run-{number}-{caches}"
            with scratch(directory):
                for measurement in measure_run(plan, number, caches, directory):
                    report(measurement)
                    measurements.append(measurement)
    return measurements


@contextmanager
def scratch(directory):
    """A new directory that is removed in the end."""
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def measure_run(plan, number, caches, directory):
    """Yields the measurements of one run: a workload at a time, each by every peer."""
    order = list(plan.binaries)
    order = order[(number - 1) % len(order) :] + order[: (number - 1) % len(order)]
    peers = [make_peer(name, plan, plan.names, directory / name) for name in order]
    failed = set()
    for workload in [*plan.backups, "W4", "W5"]:
        for peer in peers:
            if peer.name in failed:
                continue
            measurement = measure(plan, Measurement(number, caches, workload, peer.name), peer)
            if measurement is None:
                continue
            if measurement.error:
                failed.add(peer.name)
            yield measurement
    for peer in peers:
        shutil.rmtree(peer.home)
    yield from measure_pieces(plan, number, caches, directory)


def measure_pieces(plan, number, caches, directory):
    """Yields first backups of the same bytes as one disk and as sixteen, into new repositories."""
    for name in plan.binaries:
        if not PEERS[name].takes_many_disks:
            continue
        pieces = plan.pieces if number % 2 else plan.pieces[::-1]
        for workload, images in pieces:
            names = [image.stem for image in images]
            home = directory / f"{name}-{workload}"
            peer = make_peer(name, plan, names, home)
            measurement = Measurement(number, caches, workload, name)
            try:
                measure_backup(peer, measurement, images)
            except HarnessError as error:
                measurement.error = str(error)
            shutil.rmtree(home)
            yield measurement


def make_peer(name, plan, names, home):
    """A peer, still without a repository, that keeps all its files below `home`."""
    home.mkdir()
    return PEERS[name](plan.binaries[name], names, home)


def measure(plan, measurement, peer):
    """Makes one measurement; None where the peer does not do such work. A command that fails is an
    error in it, not of the harness."""
    try:
        if measurement.workload == "W4":
            measure_restore(plan, peer, measurement)
        elif measurement.workload == "W5":
            if not measure_verify(peer, measurement):
                return None
        else:
            measure_backup(peer, measurement, plan.backups[measurement.workload])
    except HarnessError as error:
        measurement.error = str(error)
    return measurement


def measure_backup(peer, measurement, images):
    """A backup of the images into the peer's repository."""
    if measurement.workload in ("W1", "S1", "S16"):
        peer.create()
    peer.prepare()
    measurement.repository_bytes_before = apparent_bytes(peer.repository)
    settle(images, measurement.caches)
    measurement.usage = peer.backup(measurement.workload, images)
    conclude(peer, measurement, peer.home)


def measure_restore(plan, peer, measurement):
    """A restore of the last backup, compared with what was backed up, and removed again."""
    images = list(plan.backups.values())[-1]
    directory = peer.home / "restored"
    measurement.repository_bytes_before = apparent_bytes(peer.repository)
    settle([peer.repository], measurement.caches)
    measurement.usage = peer.restore(images, directory)
    conclude(peer, measurement, directory)
    measurement.restored_bytes = apparent_bytes(directory)
    measurement.restored_allocated_bytes = allocated_bytes(directory)
    restored = [peer.restored(index, image, directory) for index, image in enumerate(images)]
    measurement.verified = all(map(same_content, images, restored))
    if not measurement.verified:
        measurement.error = "what was restored is not what was backed up"
    shutil.rmtree(directory)


def measure_verify(peer, measurement):
    """A check of all that is stored. False where the peer has no such command."""
    measurement.repository_bytes_before = apparent_bytes(peer.repository)
    settle([peer.repository], measurement.caches)
    usage = peer.verify()
    if usage is None:
        return False
    measurement.usage = usage
    conclude(peer, measurement, peer.home)
    return True


def conclude(peer, measurement, written):
    """What every measurement tells besides its usage; `written` is where the command wrote to."""
    measurement.floor_bytes = own_peak_bytes()
    measurement.summary = peer.summary()
    measurement.sync_seconds = seconds_to_sync(written)
    measurement.repository_bytes_after = apparent_bytes(peer.repository)


def seconds_to_sync(path):
    """How long the file system takes to sync what a command left unsynced."""
    start = time.monotonic()
    subprocess.run(["sync", "-f", path], check=True)
    return time.monotonic() - start
