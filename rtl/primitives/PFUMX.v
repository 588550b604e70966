// Behavioural model of the Lattice ECP5 multiplexer behind the two 4-input lookup tables of a slice.
module PFUMX (
    input wire ALUT, BLUT, C0,
    output wire Z
);
    assign Z = C0 ? ALUT : BLUT;
endmodule
