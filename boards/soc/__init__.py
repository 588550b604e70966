"""Gateware of a board: UART, link, buffers and top."""
