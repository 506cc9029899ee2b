"""Giving back what was read of a memory map."""

import mmap

from pipeline.data.samples import Array


def release(values: Array) -> None:
    """Take the pages of a memory map out of this process, where the values are of one; they are read again when looked at.

    Otherwise whoever goes once through a large set seems to hold all of it (its pages count as resident until memory is short).
    """
    base: object = values
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if isinstance(base, mmap.mmap) and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
