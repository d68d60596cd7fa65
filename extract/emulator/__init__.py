"""A local AWS endpoint with a seeded, evolving fleet of Image Builder builds, and its handle.

`start()` runs it in a process of its own; `python -m extract.emulator` in the foreground. It
speaks Image Builder's two list operations, STS and Account ListRegions on one loopback port.
"""

from extract.emulator.client import Emulator, EmulatorError, start
from extract.emulator.settings import Settings

__all__ = ["Emulator", "EmulatorError", "Settings", "start"]
