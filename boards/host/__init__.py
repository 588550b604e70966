"""Host side of a board: protocol, serial port, session and `Device`. Does not import Amaranth."""

from .device import Device, WrongEngine

__all__ = ["Device", "WrongEngine"]
