"""What can go wrong with the storage. Messages are safe to show and to log: never a signed address, never a key of the bucket's.

StorageError
  Missing       there is no such file or upload
  TooLarge      more bytes than the storage takes, or than were announced
  Mismatch      what came is not what was announced; nothing was changed
  Unavailable   no answer, or no room; the same can work later
  Refused       the bucket does not let us in: its name, our keys or rights, our clock; only the operator can mend it
"""


class StorageError(Exception):
    """See the leaves."""


class Missing(StorageError):
    """No such file or upload."""


class TooLarge(StorageError):
    """Too many bytes."""


class Mismatch(StorageError):
    """Not what was announced."""


class Unavailable(StorageError):
    """Not now."""


class Refused(StorageError):
    """Not with these settings."""
