"""The programs that are compared: how each backs up and restores."""

import json
import shutil
import subprocess
from abc import ABC, abstractmethod

from accounting import Usage, run


class Peer(ABC):
    """One tool and, once made, its repository below `home`.

    `create` comes first, then each `backup` after a `prepare`, then `restore`, which restores the
    last backup, then `verify`. All but the first two return the usage of what is to be measured.
    """

    name = ""
    program = ""
    """What it is run by, where that is not its name."""
    stores_whole_files = False
    takes_many_disks = False
    """Whether one disk and sixteen are compared."""

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

    def verify(self):
        """Reads and checks everything that is stored; None where the tool has no such command."""
        return None

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
    takes_many_disks = True

    def create(self):
        self.run("vault", "create", self.repository)

    def backup(self, label, images):
        disks = [f"{name}={image}" for name, image in zip(self.names, images)]
        vault = ["--vault", self.repository]
        return self.run("backup", *vault, "--vm", "fleet", *disks, "--json")

    def restore(self, images, directory):
        vault = ["--vault", self.repository]
        return self.run("restore", *vault, "--point", "latest", "--to", directory, "--json")

    def verify(self):
        return self.run("verify", "--vault", self.repository, "--json")

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
    encryption = "none"

    def environment(self):
        return {
            "BORG_BASE_DIR": str(self.home / "base"),
            "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
            "BORG_PASSPHRASE": "benchmark",
        }

    def create(self):
        self.run("init", "--encryption", self.encryption, self.repository)

    def backup(self, label, images):
        self.last = label
        options = ["--chunker-params", "fixed,4194304", "--compression", "lz4"]
        options += ["--files-cache", "disabled"]
        return self.run("create", *options, f"{self.repository}::{label}", *images)

    def restore(self, images, directory):
        directory.mkdir()
        return self.run("extract", "--sparse", f"{self.repository}::{self.last}", cwd=directory)

    def verify(self):
        return self.run("check", "--verify-data", self.repository)


class EncryptedBorg(Borg):
    """The same with encryption, keyed BLAKE2 for names."""

    name = "borg-encrypted"
    program = "borg"
    encryption = "repokey-blake2"


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

    def verify(self):
        return self.run("check", "--read-data")

    def can_restore_sparse(self):
        """Restic restores sparse files since 0.15."""
        command = [self.binary, "restore", "--help"]
        return "--sparse" in subprocess.run(command, capture_output=True, text=True).stdout


class Casync(Peer):
    """casync as it is by default (zstd), one image after the other: it takes one at a time."""

    name = "casync"

    def create(self):
        self.repository.mkdir()

    def index(self, label, name):
        """The file that stands for one image of a backup."""
        return self.repository / f"{label}-{name}.caibx"

    def backup(self, label, images):
        self.last = label
        usage = Usage()
        for image, name in zip(images, self.names):
            usage.add(self.run("make", self.store(), self.index(label, name), image))
        return usage

    def restore(self, images, directory):
        directory.mkdir()
        usage = Usage()
        for name in self.names:
            target = directory / f"{name}.img"
            usage.add(self.run("extract", self.store(), self.index(self.last, name), target))
        return usage

    def restored(self, index, image, directory):
        return directory / f"{self.names[index]}.img"

    def store(self):
        """The option that names the chunk store."""
        return f"--store={self.repository / 'chunks.castr'}"


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


PEERS = {
    peer.name: peer for peer in (SnapStore, Borg, EncryptedBorg, Restic, Casync, Copy)
}
