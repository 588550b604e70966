// Behavioural model of the Lattice ECP5 4-input lookup table.
module LUT4 #(
    parameter [15:0] INIT = 16'h0000
) (
    input wire A, B, C, D,
    output wire Z
);
    // Looked up input by input, so that an undefined input without effect on the result has none here.
    wire [7:0] by_d = D ? INIT[15:8] : INIT[7:0];
    wire [3:0] by_c = C ? by_d[7:4] : by_d[3:0];
    wire [1:0] by_b = B ? by_c[3:2] : by_c[1:0];
    assign Z = A ? by_b[1] : by_b[0];
endmodule
