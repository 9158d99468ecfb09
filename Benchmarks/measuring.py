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
    cold: bool
    binaries: dict


def measure_all(plan, report):
    """Measures everything in `plan`; calls `report` with each measurement as it is made."""
    measurements = []
    for number in range(1, plan.runs + 1):
        directory = plan.work / f"run-{number}"
        with scratch(directory):
            for measurement in measure_run(plan, number, directory):
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


def measure_run(plan, number, directory):
    """Yields the measurements of one run: a workload at a time, each by every peer."""
    order = list(plan.binaries)
    order = order[(number - 1) % len(order) :] + order[: (number - 1) % len(order)]
    peers = [make_peer(name, plan, directory / name) for name in order]
    failed = set()
    for workload in [*plan.backups, "W4"]:
        for peer in peers:
            if peer.name in failed:
                continue
            measurement = measure(plan, number, workload, peer)
            if measurement.error:
                failed.add(peer.name)
            yield measurement


def make_peer(name, plan, home):
    """A peer, still without a repository, that keeps all its files below `home`."""
    home.mkdir()
    return PEERS[name](plan.binaries[name], plan.names, home)


def measure(plan, number, workload, peer):
    """One measurement. A command that fails is an error in it, not of the harness."""
    measurement = Measurement(number, workload, peer.name)
    try:
        if workload == "W4":
            measure_restore(plan, peer, measurement)
        else:
            measure_backup(plan, peer, measurement, plan.backups[workload])
    except HarnessError as error:
        measurement.error = str(error)
    return measurement


def measure_backup(plan, peer, measurement, images):
    """A backup of the images into the peer's repository."""
    if measurement.workload == "W1":
        peer.create()
    peer.prepare()
    measurement.repository_bytes_before = apparent_bytes(peer.repository)
    settle(images, plan.cold)
    measurement.usage = peer.backup(measurement.workload, images)
    measurement.floor_bytes = own_peak_bytes()
    measurement.summary = peer.summary()
    measurement.sync_seconds = seconds_to_sync(peer.home)
    measurement.repository_bytes_after = apparent_bytes(peer.repository)


def measure_restore(plan, peer, measurement):
    """A restore of the last backup, compared with what was backed up, and removed again."""
    images = list(plan.backups.values())[-1]
    directory = peer.home / "restored"
    measurement.repository_bytes_before = apparent_bytes(peer.repository)
    settle([peer.repository], plan.cold)
    measurement.usage = peer.restore(images, directory)
    measurement.floor_bytes = own_peak_bytes()
    measurement.summary = peer.summary()
    measurement.sync_seconds = seconds_to_sync(directory)
    measurement.repository_bytes_after = apparent_bytes(peer.repository)
    measurement.restored_bytes = apparent_bytes(directory)
    measurement.restored_allocated_bytes = allocated_bytes(directory)
    restored = [peer.restored(index, image, directory) for index, image in enumerate(images)]
    measurement.verified = all(map(same_content, images, restored))
    if not measurement.verified:
        measurement.error = "what was restored is not what was backed up"
    shutil.rmtree(directory)


def seconds_to_sync(path):
    """How long the file system takes to sync what a command left unsynced."""
    start = time.monotonic()
    subprocess.run(["sync", "-f", path], check=True)
    return time.monotonic() - start
