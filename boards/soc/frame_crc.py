"""Gateware CRC of frames, equal to `tercet.boards.host.protocol.checksum`."""

from amaranth.lib.crc.catalog import CRC32_ISO_HDLC

__all__ = ["CRC"]

CRC = CRC32_ISO_HDLC(data_width=8)
"""CRC-32 as in Ethernet and zlib, one byte per clock."""
