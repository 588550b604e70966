"""FPGA boards: catalogue, gateware, host software and the bitstream flow."""
