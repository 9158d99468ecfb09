internal import SnapStoreDisks
internal import SnapStoreFormat
internal import SnapStoreIO
internal import SnapStoreVault

/// The checks of the vault and of the place where it is.
extension PreflightRun {
  private var vaultSubject: String { "vault \(request.vaultPath)" }

  mutating func openVault() {
    do {
      let store = try LocalObjectStore.open(request.vaultPath, host: host)
      self.store = store
      place = request.vaultPath
      let vault = try Vault.open(store, host: host, log: log)
      self.vault = vault
      catalog = try PointCatalog(vault)
      add(.vaultOpens, .pass, vaultSubject, "opens, format \(Magic.formatVersion)")
    } catch let error as StoreError where error.code == .notThere {
      do {
        guard try existingPath(request.vaultPath, calls: host.calls) == nil else { throw error }
        place = try existingFolder(above: request.vaultPath, calls: host.calls)
      } catch {
        fail(.vaultOpens, vaultSubject, error)
        return
      }
      if request.isDefaultVault {
        add(.vaultOpens, .pass, vaultSubject, "is not there yet; the first backup makes it")
      } else {
        add(
          .vaultOpens, .fail, vaultSubject, "is not there",
          hint: "make it with: snapstore vault create \(request.vaultPath)")
      }
    } catch {
      fail(.vaultOpens, vaultSubject, error)
    }
  }

  /// Whether files can be made there, and keep what a vault builds on.
  mutating func tryVault() {
    guard let place else { return }
    let trial: FileSystemTrial?
    do {
      // What is no vault gets no folder of one.
      trial =
        try vault == nil
        ? LocalObjectStore.tryFileSystem(at: place, host: host) : store?.tryFileSystem()
    } catch let error as StoreError {
      fail(.vaultFit, vaultSubject, error)
      return
    } catch {
      fail(.vaultWritable, vaultSubject, error)
      return
    }
    guard let trial else { return }
    add(.vaultWritable, .pass, vaultSubject, "files can be made there")
    if !trial.problems.isEmpty {
      add(
        .vaultFit, .fail, vaultSubject, trial.problems.joined(separator: "; "),
        hint: "put the vault on a local file system, such as ext4 or XFS")
    } else if !trial.tellsHoles {
      add(
        .vaultFit, .warn, vaultSubject, "the file system has no holes, or does not tell of them",
        hint: "a vault works there; do not restore sparse disks to it")
    } else {
      add(
        .vaultFit, .pass, vaultSubject,
        "renames do not replace, locks hold, files can be made durable and have holes")
    }
  }

  mutating func checkRegion() {
    guard let vault else { return }
    let known = VaultRegion(vault: vault.descriptor.region, host: request.hostRegion)
    switch known {
    case .unknown:
      add(.vaultRegion, .pass, vaultSubject, "neither the vault nor this host has a region")
    case .same(let region):
      add(.vaultRegion, .pass, vaultSubject, "is of this host's region, \(region)")
    case .onlyVault(let region):
      add(
        .vaultRegion, .warn, vaultSubject, "is of region \(region); that of this host is not known",
        hint: "say it with --region or SNAPSTORE_REGION")
    case .onlyHost(let region):
      add(
        .vaultRegion, .warn, vaultSubject, "has no region; this host is in \(region)",
        hint: "a vault gets its region when it is made: snapstore vault create --region \(region)")
    case .different(let region, let host):
      add(
        .vaultRegion, request.allowsOtherRegion ? .warn : .fail, vaultSubject,
        "is of region \(region), and this host of \(host)",
        hint: request.allowsOtherRegion
          ? "backups and restores need --allow-cross-region too"
          : "name a vault of this region, or say --allow-cross-region")
    }
  }

  /// An estimate: how far the disks deduplicate and compress is not known before.
  mutating func checkSpace() {
    guard let place else { return }
    do {
      let available = try Directory(place, followLinks: true, calls: host.calls).fileSystem()
        .availableByteCount
      let known = machine.flatMap { catalog?.latest(of: $0)?.point.disks.map(\.name) } ?? []
      let needed = sources.filter { !known.contains($0.name) }.reduce(UInt64(0)) { sum, source in
        let (more, isOverflow) = sum.addingReportingOverflow(source.dataByteCount)
        return isOverflow ? UInt64.max : more
      }
      let state =
        "\(Self.size(available)) are free; the first backup reads \(Self.size(needed)) "
        + "(an estimate)"
      if available < needed / 10 {
        add(
          .vaultSpace, .fail, vaultSubject, state,
          hint: "free space there, or put the vault on a larger file system")
      } else if available < needed {
        add(
          .vaultSpace, .warn, vaultSubject, state,
          hint: "it may do, as far as the data compresses and repeats")
      } else {
        add(
          .vaultSpace, .pass, vaultSubject,
          needed == 0 ? "\(Self.size(available)) are free" : state)
      }
    } catch {
      fail(.vaultSpace, vaultSubject, error)
    }
  }

  /// Whoever loses the disk would lose its backups with it.
  mutating func checkPlace() {
    guard let place, !sources.isEmpty else { return }
    do {
      let stack = try storage.stack(ofDirectory: place)
      let covering = sources.filter { stack.contains($0) }
      for disk in covering {
        add(
          .vaultPlace, .fail, vaultSubject, "is on disk \(disk.name), \(disk.path)",
          hint: "put the vault on a disk that is not backed up into it")
      }
      if covering.isEmpty {
        add(.vaultPlace, .pass, vaultSubject, "is on none of the disks")
      }
    } catch {
      fail(.vaultPlace, vaultSubject, error)
    }
  }

  mutating func checkClock() {
    guard let vault, let catalog else { return }
    let now = vault.now()
    let hint = "set this host's clock; points by a wrong one are marked and fill no place"
    do {
      let time = try VaultTime(vault, catalog)
      let previous = machine.flatMap { catalog.latestByGoodClock(of: $0)?.point }
      let points = catalog.kept.map(\.point).filter { $0.clock?.suspicion == nil }.map(\.time)
      let sessions = try VaultLook(vault).sessions().records.values.compactMap(\.started)
      let newest = (points + sessions).max()
      switch time.clock(at: now, previous: previous).suspicion {
      case .behind:
        add(
          .vaultClock, .fail, "this host",
          "its clock says \(now.rfc3339), and the machine has a later point", hint: hint)
      case .ahead:
        add(
          .vaultClock, .warn, "this host",
          "its clock says \(now.rfc3339), far ahead of the vault's time",
          hint: "\(hint); after weeks without a backup this is as it should be")
      case nil:
        if let newest, newest.seconds > now.seconds + VaultTime.toleranceBehind {
          add(
            .vaultClock, .warn, "this host",
            "its clock says \(now.rfc3339), and the vault was used at \(newest.rfc3339)",
            hint: hint)
        } else {
          add(.vaultClock, .pass, "this host", "its clock goes with the vault's time")
        }
      }
    } catch {
      fail(.vaultClock, "this host", error)
    }
  }
}
