"""The FPGA flow: synthesis reports, place and route."""
