// Intel's multi-buffer library: several SHA-256 streams at once. Its calls are macros, which Swift
// does not see. Only SnapStoreFormat imports this, and only where the library is there.
#include <intel-ipsec-mb.h>

// Null where there is no memory, or the processor lacks what the library needs.
static inline IMB_MGR *ipsec_mb_make(void) {
  IMB_MGR *manager = alloc_mb_mgr(0);
  if (manager == NULL) return NULL;
  init_mb_mgr_auto(manager, NULL);
  if (imb_get_errno(manager) == 0) return manager;
  free_mb_mgr(manager);
  return NULL;
}

static inline unsigned long ipsec_mb_count_completed(IMB_JOB *job, IMB_MGR *manager) {
  unsigned long count = 0;
  for (; job != NULL; job = IMB_GET_COMPLETED_JOB(manager))
    count += job->status == IMB_STATUS_COMPLETED;
  return count;
}

// Begins one digest of 32 bytes; both pieces of memory stay as they are until `ipsec_mb_finish`.
// Returns how many digests were completed meanwhile.
static inline unsigned long ipsec_mb_sha256(IMB_MGR *manager, const void *source,
                                            unsigned long length, void *digest) {
  IMB_JOB *job = IMB_GET_NEXT_JOB(manager);
  job->cipher_mode = IMB_CIPHER_NULL;
  job->cipher_direction = IMB_DIR_ENCRYPT;
  job->chain_order = IMB_ORDER_HASH_CIPHER;
  job->hash_alg = IMB_AUTH_SHA_256;
  job->src = source;
  job->hash_start_src_offset_in_bytes = 0;
  job->msg_len_to_hash_in_bytes = length;
  job->auth_tag_output = digest;
  job->auth_tag_output_len_in_bytes = 32;
  return ipsec_mb_count_completed(IMB_SUBMIT_JOB_NOCHECK(manager), manager);
}

// Completes all that was begun; returns how many digests that were.
static inline unsigned long ipsec_mb_finish(IMB_MGR *manager) {
  unsigned long count = 0;
  for (IMB_JOB *job = IMB_FLUSH_JOB(manager); job != NULL; job = IMB_FLUSH_JOB(manager))
    count += job->status == IMB_STATUS_COMPLETED;
  return count;
}
