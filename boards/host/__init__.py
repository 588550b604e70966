"""Host side of a board: protocol, serial port, session, and `Device`. Imports no Amaranth."""
