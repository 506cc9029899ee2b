"""Random streams, one for each purpose, derived from a keyed digest: never from arithmetic, never from the arm.

Arms with the same seed share their random numbers (common random numbers), so a difference between arms is the strategy's.
"""

import hashlib


def derive(seed: int, purpose: str, *indices: int) -> int:
    """A 64-bit seed for the stream `purpose` (e.g. "batches") at the given indices (e.g. generation, epoch)."""
    text = "/".join([purpose, *map(str, indices)])
    digest = hashlib.blake2b(text.encode(), key=seed.to_bytes(8, "little"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")
