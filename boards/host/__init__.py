"""Host side of a board: protocol, serial port, session, and `Device`. Imports no Amaranth."""

from .device import Device, WrongEngine

__all__ = ["Device", "WrongEngine"]
