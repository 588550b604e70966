"""The link between a host and an engine on a board: frames over a UART, and what answers them."""
