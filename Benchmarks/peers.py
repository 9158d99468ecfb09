"""The programs that are compared: how each backs up and restores."""

import json
import shutil
import subprocess
from abc import ABC, abstractmethod

from accounting import Usage, run

class Peer(ABC):
    """One tool and, once made, its repository below `home`.

    `create` comes first, then each `backup` after a `prepare`, then `restore`, which restores the
    last backup. `backup` and `restore` return the usage of what is to be measured.
    """

    name = ""
    stores_whole_files = False

    def __init__(self, binary, names, home):
        self.binary = binary
        self.names = names
        self.home = home
        self.repository = home / "repository"
        self.log = home / "log"

    def environment(self):
        """Environment variables for every command."""
        return {}

    def run(self, *arguments, cwd=None):
        """Runs the tool."""
        return run([self.binary, *arguments], self.log, cwd=cwd, env=self.environment())

    @abstractmethod
    def create(self):
        """Makes an empty repository; not measured."""

    def prepare(self):
        """What has to happen before a backup without being measured."""

    @abstractmethod
    def backup(self, label, images):
        """Backs up images as one backup called `label`."""

    @abstractmethod
    def restore(self, images, directory):
        """Restores the last backup into `directory`, which does not exist yet."""

    def restored(self, index, image, directory):
        """Where `restore` puts the image: by default at its whole path."""
        del index
        return directory / str(image).lstrip("/")

    def summary(self):
        """What the tool itself says about its last command, if that can be read."""
        return None


class SnapStore(Peer):
    """The engine that this harness belongs to."""

    name = "snapstore"

    def create(self):
        self.run("vault", "create", self.repository)

    def backup(self, label, images):
        disks = [f"{name}={image}" for name, image in zip(self.names, images)]
        vault = ["--vault", self.repository]
        return self.run("backup", *vault, "--vm", "fleet", *disks, "--json")

    def restore(self, images, directory):
        vault = ["--vault", self.repository]
        return self.run("restore", *vault, "--point", "latest", "--to", directory, "--json")

    def restored(self, index, image, directory):
        return directory / f"{self.names[index]}.img"

    def summary(self):
        for line in reversed(self.log.read_text(errors="replace").splitlines()):
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("type") == "summary":
                return record
        return None


class Borg(Peer):
    """Borg with chunks of 4 MiB, LZ4 and no encryption: its fastest way with disk images."""

    name = "borg"

    def environment(self):
        return {
            "BORG_BASE_DIR": str(self.home / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        }

    def create(self):
        self.run("init", "--encryption", "none", self.repository)

    def backup(self, label, images):
        self.last = label
        options = ["--chunker-params", "fixed,4194304", "--compression", "lz4"]
        options += ["--files-cache", "disabled"]
        return self.run("create", *options, f"{self.repository}::{label}", *images)

    def restore(self, images, directory):
        directory.mkdir()
        return self.run("extract", "--sparse", f"{self.repository}::{self.last}", cwd=directory)


class Restic(Peer):
    """Restic as it is by default, told not to trust file times."""

    name = "restic"

    def environment(self):
        return {
            "RESTIC_REPOSITORY": str(self.repository),
            "RESTIC_PASSWORD": "benchmark",
            "RESTIC_CACHE_DIR": str(self.home / "cache"),
        }

    def create(self):
        self.run("init")

    def backup(self, label, images):
        return self.run("backup", "--ignore-inode", "--force", *images)

    def restore(self, images, directory):
        sparse = ["--sparse"] if self.can_restore_sparse() else []
        return self.run("restore", "latest", "--target", directory, *sparse)

    def can_restore_sparse(self):
        """Restic restores sparse files since 0.15."""
        command = [self.binary, "restore", "--help"]
        return "--sparse" in subprocess.run(command, capture_output=True, text=True).stdout


class Copy(Peer):
    """The floor: a sparse copy that is synced, without any of what a backup is for."""

    name = "cp"
    stores_whole_files = True

    def create(self):
        self.repository.mkdir()

    def prepare(self):
        """Removes the backup before: the floor is a copy to new files, not a history."""
        shutil.rmtree(self.repository)
        self.repository.mkdir()

    def backup(self, label, images):
        return self.copy(images, self.repository)

    def restore(self, images, directory):
        directory.mkdir()
        copies = [self.repository / f"{name}.img" for name in self.names]
        return self.copy(copies, directory)

    def restored(self, index, image, directory):
        return directory / f"{self.names[index]}.img"

    def copy(self, sources, directory):
        """Copies files to DIRECTORY/NAME.img and syncs the file system."""
        usage = Usage()
        for source, name in zip(sources, self.names):
            target = directory / f"{name}.img"
            usage.add(self.run("--sparse=always", source, target))
        usage.add(run(["sync", "-f", directory], self.log))
        return usage


PEERS = {peer.name: peer for peer in (SnapStore, Borg, Restic, Copy)}
