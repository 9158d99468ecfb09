import SnapStoreEngine
import Testing

@Suite struct ResourcesTests {
  /// A backup whose lanes that compute took all threads that Dispatch has would never end.
  @Test func jobsLeaveThreadsToTheOtherStages() {
    #expect(Resources(memoryByteCount: 64 << 30, jobs: 1024).jobs == 128)
    #expect(Resources(memoryByteCount: 64 << 30, jobs: 100).jobs == 100)
    #expect(Resources(memoryByteCount: 64 << 20, jobs: 100).jobs == 2)
  }
}
