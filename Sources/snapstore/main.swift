import SnapStoreCommands

#if canImport(Glibc)
  import Glibc
#endif

// Everything is in the library, where tests reach it.
exit(SnapStoreCommand.run())
