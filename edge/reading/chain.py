"""The measures of the chain of batches, the same where it is kept and where it is signed."""

EPOCH_BYTES = 8  # random, made when the epoch is opened
HASH_BYTES = 32  # SHA-256 of an envelope's exact bytes
GENESIS = bytes(HASH_BYTES)  # what stands before the first envelope of an epoch
