extension FileSystemStatus {
  /// Magic numbers of statfs(2). FUSE is among them: it can't be told whether one is local.
  package static let networkNames: [UInt64: String] = [
    0x6969: "NFS", 0x517B: "SMB", 0xFF53_4D42: "CIFS", 0xFE53_4D42: "SMB2", 0x6573_5546: "FUSE",
    0x00C3_6400: "Ceph", 0x0BD0_0BD0: "Lustre", 0x5346_414F: "AFS", 0x6B41_4653: "AFS",
    0x7375_7245: "Coda", 0x0102_1997: "9P", 0x0116_1970: "GFS2", 0x7461_636F: "OCFS2",
    0x564C: "NCP", 0x4750_4653: "GPFS", 0x1983_0326: "BeeGFS", 0xAAD7_AAEA: "PanFS",
    0xBEEF_DEAD: "StorNext", 0x0131_11A8: "IBRIX", 0x2003_0528: "OrangeFS",
    0xBACB_ACBC: "VMware shared folder", 0x7C7C_6673: "Parallels shared folder",
    0x786F_4256: "VirtualBox shared folder",
  ]

  /// Of these a mount table says more.
  package static let fuseType: UInt64 = 0x6573_5546
}
