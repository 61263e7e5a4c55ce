"""Decoded images kept as uint8, so that every later read is a read of memory: a cache that can always be made again.

    <cache>/pixels/<dataset>-<place>-<side or full>/
        store.json                      what it is of, and the digest of the index
        000000.bin                      raw pixels, one picture after the other, each aligned
        000000-<digest>.parquet         what is in it; written after it, so that a kill loses one shard at most
        index-<digest>.raw              where each picture of the present manifest lies, sorted by key

``store.json`` is written last and names the index by its digest; only then is removed what that index has no use for. A
kept picture is given out only where its checksum holds, which covers the pixels, their shape, the picture's name and the
SHA-256 of the file that it was decoded from. In any other case the raw file is read.
"""

from medbench.pixels.places import KeptStore, folder_of, remove, stores

__all__ = ["KeptStore", "folder_of", "remove", "stores"]
