"""Board gateware: UART, link, buffers and top level."""
